"""The tiny bundle of tests/runtime, for tests that change it with packages that the runtime does not have."""

from tests.runtime.conftest import bundle_copy, bundle_path, change_manifest, classifier, user_cache

__all__ = ["bundle_copy", "bundle_path", "change_manifest", "classifier", "user_cache"]
