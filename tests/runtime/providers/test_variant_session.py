"""A variant's files are hashed before they are opened, and while everything else is imported."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import graph_metadata
from mtl_runtime.errors import IntegrityError
from mtl_runtime.providers import registry, variant_session
from mtl_runtime.providers.variant_session import loading_session, open_session


@pytest.mark.parametrize("arguments", ["variant='cpu-fp32'", ""])
def test_load_begins_to_hash_before_numpy_tokenizers_and_onnxruntime_are_imported(measured_bundle, arguments):
    program = f"""
import sys
from mtl_runtime import load
from mtl_runtime.providers import variant_session
run_in_background = variant_session.run_in_background
def spy(work):
    print([package for package in ("numpy", "tokenizers", "onnxruntime") if package in sys.modules])
    return run_in_background(work)
variant_session.run_in_background = spy
print(load({str(measured_bundle)!r}, {arguments}).info.variant)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\ncpu-fp32\n", "")


def test_what_is_wrong_with_a_graph_is_raised_when_its_session_is_asked_for(bundle_copy):
    graph = bundle_copy / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    with loading_session(Bundle.open(bundle_copy), "cpu-fp32", threads=1) as finish, pytest.raises(IntegrityError):
        finish()


@pytest.fixture
def bundle(providers_bundle):
    return Bundle.open(providers_bundle)


@pytest.fixture
def session_options(bundle, monkeypatch, tmp_path):
    """Provider options of each session that is opened: a fake one, which only writes a file into its cache."""
    options = []

    def fake_open(graph, *, provider_options, **_):
        options.append(provider_options)
        if "CACHE_DIR" in provider_options:
            (Path(provider_options["CACHE_DIR"]) / "1.blob").write_bytes(b"compiled")
        manifest = bundle.manifest
        metadata = graph_metadata(manifest.tasks, manifest.format_version)
        return SimpleNamespace(inputs=manifest.inputs, outputs=manifest.outputs, tensors={}, metadata=metadata)

    monkeypatch.setattr(variant_session.Session, "open", fake_open)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return options


def with_wheels(monkeypatch, **versions):
    wheels = {name.replace("_", "-"): version for name, version in versions.items()}
    monkeypatch.setattr(registry, "installed_wheels", lambda: wheels)
    monkeypatch.setattr(variant_session, "installed_with_prefix", lambda _: wheels)


def test_the_plugin_finds_what_it_compiled_before(bundle, session_options, monkeypatch, tmp_path):
    with_wheels(monkeypatch, onnxruntime="1.30")
    for _ in range(2):
        open_session(bundle, "openvino-bf16", threads=1)
    first, second = (options["CACHE_DIR"] for options in session_options)
    (folder,) = (tmp_path / "mtl-export" / "compiled").iterdir()
    assert first.endswith(".new")
    assert second == str(folder)
    assert {options["INFERENCE_PRECISION_HINT"] for options in session_options} == {"bf16"}


def test_what_was_compiled_otherwise_is_kept_apart(bundle, session_options, monkeypatch, tmp_path):
    with_wheels(monkeypatch, onnxruntime="1.30")
    open_session(bundle, "openvino-bf16", threads=1, runs=1)
    open_session(bundle, "openvino-fp32", threads=1, runs=1)
    open_session(bundle, "openvino-bf16", threads=2, runs=1)
    open_session(bundle, "openvino-bf16", threads=1, runs=2)
    with_wheels(monkeypatch, onnxruntime="1.31")
    open_session(bundle, "openvino-bf16", threads=1, runs=1)
    assert len(list((tmp_path / "mtl-export" / "compiled").iterdir())) == len(session_options) == 5


def test_the_wheel_that_gains_nothing_by_it_keeps_nothing(bundle, session_options, monkeypatch, tmp_path):
    with_wheels(monkeypatch, onnxruntime_openvino="1.24.1")
    open_session(bundle, "openvino-bf16", threads=1)
    assert session_options == [dict(bundle.manifest.variants["openvino-bf16"].provider_options)]
    assert list(tmp_path.iterdir()) == []
