"""The tiny bundle of tests/runtime, for tests that change it with packages that the runtime does not have."""

from tests.runtime.conftest import bundle_copy, change_manifest, classifier

__all__ = ["bundle_copy", "change_manifest", "classifier"]
