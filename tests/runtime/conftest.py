"""A tiny real bundle (made by tests/make_tiny_bundle.py) for tests that need no torch."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mtl_runtime import Classifier, load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import MANIFEST_NAME, FileSpec
from mtl_runtime.core.records import from_dict, to_dict
from mtl_runtime.providers.registry import PROVIDERS

TINY_BUNDLE = Path(__file__).parent / "data" / "tiny_bundle"


@pytest.fixture(scope="session")
def bundle_path() -> Path:
    """The committed bundle: only read it."""
    return TINY_BUNDLE


@pytest.fixture
def bundle_copy(tmp_path: Path) -> Path:
    """A copy of the bundle that a test may damage."""
    return Path(shutil.copytree(TINY_BUNDLE, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    return load(TINY_BUNDLE, threads=1)


@pytest.fixture(scope="session")
def change_manifest() -> Callable[..., None]:
    """``change_manifest(path, **fields)`` rewrites the manifest so that it fits the files as they are now."""

    def change(path: Path, **fields: object) -> None:
        manifest = Bundle.open(path).manifest
        files = {name: to_dict(FileSpec.of((path / name).read_bytes())) for name in manifest.files}
        content = {**to_dict(manifest), "files": files, **fields}
        changed = from_dict(type(manifest), content)
        (path / MANIFEST_NAME).write_text(changed.to_json(), "utf-8")

    return change


@pytest.fixture(scope="session")
def change_stars_bias() -> Callable[[Path, bytes], None]:
    """Overwrite the one float of the graph's ``stars.bias`` (3.0)."""

    def change(path: Path, value: bytes) -> None:
        graph = path / "model.onnx"
        data = graph.read_bytes()
        old = b"stars.biasJ\x04" + b"\x00\x00\x40\x40"
        assert data.count(old) == 1
        graph.write_bytes(data.replace(old, b"stars.biasJ\x04" + value))

    return change


@pytest.fixture(scope="session")
def providers_bundle(tmp_path_factory, change_manifest) -> Path:
    """The bundle with its fp32 graph as a variant of every provider: ``<provider>-fp32``, and openvino-bf16."""
    path = Path(shutil.copytree(TINY_BUNDLE, tmp_path_factory.mktemp("providers") / "bundle"))
    variants = {f"{name}-fp32": (name, {}) for name in PROVIDERS}
    variants["openvino-bf16"] = ("openvino", {"INFERENCE_PRECISION_HINT": "bf16"})
    specs = {
        name: {"graph": "model.onnx", "provider": provider, "provider_options": options}
        for name, (provider, options) in variants.items()
    }
    change_manifest(path, variants=specs)
    return path
