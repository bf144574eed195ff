"""Fixtures of the clients' tests, which tests.clients.run starts, each module in an environment of its own.

Nothing of this project is imported here: the clients' environments do not have it.
"""

import json
import os
from pathlib import Path

import pytest

# `make test` has neither the clients nor a server.
collect_ignore_glob = [] if "MTL_TEST_URL" in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def url():
    """Where the server is."""
    return os.environ["MTL_TEST_URL"]


@pytest.fixture(scope="session")
def expected():
    """What the library answers."""
    return json.loads(Path(os.environ["MTL_TEST_EXPECTED"]).read_text("utf-8"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """A test that is skipped has failed: whoever lists a client wants it tested."""
    report = yield
    if report.skipped:
        report.outcome, report.longrepr = "failed", f"a client's test must not be skipped: {report.longrepr}"
    return report
