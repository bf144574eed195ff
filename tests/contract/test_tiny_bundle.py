"""The committed tiny bundle is what its script makes, so that the format cannot drift from it unseen."""

import runpy
import shutil
from pathlib import Path

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.gate.verify import verify

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"


def test_the_committed_bundle_equals_one_made_now(tmp_path):
    script = runpy.run_path(str(ROOT / "tests" / "make_tiny_bundle.py"))
    script["make_bundle"](tmp_path / "bundle")
    names = {path.name for path in COMMITTED.iterdir()}
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == names
    for name in names - {"manifest.json", "manifest.sha256"}:
        assert (tmp_path / "bundle" / name).read_bytes() == (COMMITTED / name).read_bytes(), name
    # Versions of packages may differ; what they made may not.
    assert Bundle.open(tmp_path / "bundle").manifest.files == Bundle.open(COMMITTED).manifest.files


def test_the_committed_bundle_verifies(tmp_path):
    assert all(check.passed for check in verify(shutil.copytree(COMMITTED, tmp_path / "bundle")).checks)
