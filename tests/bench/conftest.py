"""What all tests of the benchmarks share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def keep_torch_threads():
    """A peer that runs in the tests' own process takes all cores, on which sums round otherwise in all later tests."""
    before = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(before or 1)
