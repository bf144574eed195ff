"""A tiny real bundle (made by tests/make_tiny_bundle.py) for tests that need no torch."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mtl_runtime import Classifier, load
from mtl_runtime.bundle.bundle import Bundle, write_manifest
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.records import from_dict, to_dict
from mtl_runtime.providers.registry import PROVIDERS
from tests.runtime.measured_bundle import ELSEWHERE, add_evidence

TINY_BUNDLE = Path(__file__).parent / "data" / "tiny_bundle"
TINY_BUNDLE_VERSION_1 = TINY_BUNDLE.with_name("tiny_bundle_version_1")


@pytest.fixture(scope="session")
def bundle_path() -> Path:
    """The committed bundle: only read it."""
    return TINY_BUNDLE


@pytest.fixture
def bundle_copy(tmp_path: Path) -> Path:
    """A copy of the bundle that a test may damage."""
    return Path(shutil.copytree(TINY_BUNDLE, tmp_path / "bundle"))


@pytest.fixture
def version_1_copy(tmp_path: Path) -> Path:
    """A copy of the same bundle as it was made before manifests held golden answers."""
    return Path(shutil.copytree(TINY_BUNDLE_VERSION_1, tmp_path / "version_1"))


@pytest.fixture(scope="session")
def measured_bundle(tmp_path_factory) -> Path:
    """The bundle with evidence of this machine, on which cpu-fp32 is the fastest; only read it."""
    path = Path(shutil.copytree(TINY_BUNDLE, tmp_path_factory.mktemp("measured") / "bundle"))
    add_evidence(path, {"cpu-fp32": 1.0, "cpu-int8": 0.9})
    return path


@pytest.fixture
def user_cache(tmp_path, monkeypatch) -> Path:
    """A user's cache of its own, empty at first: what it remembers is the test's alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mtl-export"


@pytest.fixture
def other_kernels(monkeypatch) -> Callable[..., None]:
    """``other_kernels(by, task=, row=)``: from now on cpu-int8 computes that much more for a text's first logit."""

    def install(by: float, *, task: str = "sentiment", row: int = 0) -> None:
        def logits(classifier, texts, **arguments):
            rows = computed(classifier, texts, **arguments)
            if classifier.info.variant == "cpu-int8":
                rows[task][row, 0] += by
            return rows

        computed = Classifier.logits
        monkeypatch.setattr(Classifier, "logits", logits)

    return install


@pytest.fixture
def moved_bundle(bundle_copy, user_cache) -> Path:
    """A copy on which cpu-int8 is the fastest, as another machine verified; nothing is remembered of this one."""
    add_evidence(bundle_copy, {"cpu-fp32": 1.0, "cpu-int8": 2.5}, machine=ELSEWHERE)
    return bundle_copy


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
        write_manifest(path, changed)

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
