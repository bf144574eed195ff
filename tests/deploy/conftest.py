"""tests/deploy/run.py starts these tests; the rest of `make test` has no linters."""

import os

from tests.clients.conftest import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

collect_ignore_glob = [] if "MTL_TEST_WHEEL" in os.environ else ["test_*.py"]
