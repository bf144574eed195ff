"""Settings of the engines' tests, which tests.engines.run starts, each module in an environment of its own."""

import os
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "build" / "engines"
# `make test` has no engine.
collect_ignore_glob = [] if Path(sys.prefix).is_relative_to(BUILD) else ["test_*.py"]


RELEASE = "MTL_ENGINE_KILLS"  # is set for the tests before a release


def pytest_configure(config):
    """Make the marker known."""
    config.addinivalue_line("markers", f"takes_minutes: runs only with {RELEASE}")


def pytest_collection_modifyitems(config, items):
    """Leave out what takes minutes, but before a release."""
    if RELEASE not in os.environ:
        left_out = [item for item in items if item.get_closest_marker("takes_minutes")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def kills():
    """How often a job is killed and resumed."""
    return int(os.environ.get(RELEASE, "1"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """A test that is skipped has failed: whoever lists an engine wants it tested."""
    report = yield
    if report.skipped:
        report.outcome, report.longrepr = "failed", f"an engine's test must not be skipped: {report.longrepr}"
    return report
