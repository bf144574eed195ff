"""Settings of the engines' tests, which tests.engines.run starts, each module in an environment of its own."""

import os
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "build" / "engines"
# `make test` has no engine.
collect_ignore_glob = [] if Path(sys.prefix).is_relative_to(BUILD) else ["test_*.py"]


@pytest.fixture(scope="session")
def kills():
    """How often a job is killed and resumed: MTL_ENGINE_KILLS."""
    return int(os.environ.get("MTL_ENGINE_KILLS", "3"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """A test that is skipped has failed: whoever lists an engine wants it tested."""
    report = yield
    if report.skipped:
        report.outcome, report.longrepr = "failed", f"an engine's test must not be skipped: {report.longrepr}"
    return report
