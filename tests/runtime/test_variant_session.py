"""A variant's files are hashed before they are opened, and while everything else is imported."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from mtl_runtime import providers, variant_session
from mtl_runtime.bundle import Bundle
from mtl_runtime.errors import IntegrityError
from mtl_runtime.variant_session import begin_session, open_session


def test_hashing_begins_before_numpy_tokenizers_and_onnxruntime_are_imported(bundle_path):
    program = f"""
import sys
from mtl_runtime import variant_session
from mtl_runtime.bundle import Bundle
heavy = "numpy", "tokenizers", "onnxruntime"
hashed = variant_session.checked_graph
at_once = []
def spy(bundle, name):
    at_once.append([package for package in heavy if package in sys.modules])
    return hashed(bundle, name)
variant_session.checked_graph = spy
opened = variant_session.begin_session(Bundle.open({str(bundle_path)!r}), "cpu-fp32", threads=1)
assert not any(package in sys.modules for package in heavy), "something was imported before"
session = opened()
assert at_once == [[]], at_once
print(session.provider)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("cpu\n", "")


def test_what_is_wrong_with_a_graph_is_raised_when_its_session_is_asked_for(bundle_copy):
    graph = bundle_copy / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    opened = begin_session(Bundle.open(bundle_copy), "cpu-fp32", threads=1)
    for _ in range(2):
        with pytest.raises(IntegrityError, match=r"model\.onnx"):
            opened()


@pytest.fixture
def given(monkeypatch):
    """Provider options of each session that is opened; none really is."""
    options = []

    def fake(bundle):
        def open_one(graph, *, provider_options, **_):
            options.append(provider_options)
            if "CACHE_DIR" in provider_options:
                (variant_session.Path(provider_options["CACHE_DIR"]) / "1.blob").write_bytes(b"compiled")
            return SimpleNamespace(inputs=bundle.manifest.inputs, outputs=bundle.manifest.outputs)

        monkeypatch.setattr(variant_session.Session, "open", open_one)
        return options

    return fake


def test_the_plugin_finds_what_it_compiled_before(providers_bundle, given, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(providers, "installed_wheels", lambda: {"onnxruntime": "1.30"})
    bundle = Bundle.open(providers_bundle)
    options = given(bundle)
    for _ in range(2):
        open_session(bundle, "openvino-bf16", threads=1)
    first, second = (one["CACHE_DIR"] for one in options)
    (kept,) = (tmp_path / "mtl-export" / "compiled").iterdir()
    assert first.endswith(".new")
    assert second == str(kept)
    assert {one["INFERENCE_PRECISION_HINT"] for one in options} == {"bf16"}


def test_the_wheel_that_gains_nothing_by_it_keeps_nothing(providers_bundle, given, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(providers, "installed_wheels", lambda: {"onnxruntime-openvino": "1.24.1"})
    bundle = Bundle.open(providers_bundle)
    options = given(bundle)
    open_session(bundle, "openvino-bf16", threads=1)
    assert options == [dict(bundle.manifest.variants["openvino-bf16"].provider_options)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name, row in providers.PROVIDERS.items() if row.cache_option is None])
def test_other_providers_have_no_folder(name):
    assert providers.cache_option(providers.PROVIDERS[name]) is None
