"""Fixtures of the tests that tests/triton/run.py starts; the rest of `make test` has no Triton."""

import os

from tests.clients.conftest import expected, pytest_runtest_makereport

__all__ = ["expected", "pytest_runtest_makereport"]

collect_ignore_glob = [] if "MTL_TEST_WRITE_MODEL" in os.environ else ["test_*.py"]
