"""A session opens on the provider asked for, or raises; never on another one."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import BundleError, ProviderError
from mtl_runtime.providers import availability
from mtl_runtime.providers import session as session_module
from mtl_runtime.providers.availability import AvailableProvider, require_provider
from mtl_runtime.providers.registry import PROVIDERS
from mtl_runtime.providers.session import Session, available_providers, provider_problem
from mtl_runtime.text.batch import Batch

ort = pytest.importorskip("onnxruntime")


class FakeOnnxruntime:
    """An onnxruntime whose sessions run on ``actual``, or whose opening raises ``error``."""

    __version__ = "0.0"

    def __init__(self, *, actual="CPUExecutionProvider", error=None):
        self.actual, self.error, self.calls = actual, error, []

    def InferenceSession(self, graph, options, **arguments):
        self.calls.append(arguments)
        if self.error is not None:
            raise self.error
        return SimpleNamespace(get_providers=lambda: [self.actual, "CPUExecutionProvider"])

    def get_available_providers(self):
        return ["CPUExecutionProvider"]


def open_fake(fake, provider="cuda", options=None):
    session_options = SimpleNamespace(intra_op_num_threads=2)
    return session_module._open(
        fake, Path("graph.onnx"), session_options, AvailableProvider(PROVIDERS[provider]), options or {}, 1
    )


def test_a_provider_that_onnxruntime_quietly_replaced_is_an_error():
    with pytest.raises(ProviderError, match="asked for CUDAExecutionProvider, onnxruntime took CPUExecutionProvider"):
        open_fake(FakeOnnxruntime())


def test_a_provider_that_fails_to_open_says_why_and_nothing_is_tried_in_its_place():
    fake = FakeOnnxruntime(error=RuntimeError("CUDA failure 2: out of memory"))
    with pytest.raises(ProviderError, match="cannot open CUDAExecutionProvider: CUDA failure 2"):
        open_fake(fake)
    (arguments,) = fake.calls
    assert arguments["enable_fallback"] == 0


def test_tensorrt_leaves_the_rest_to_cuda_without_tf32():
    fake = FakeOnnxruntime(actual="TensorrtExecutionProvider")
    options = {"trt_fp16_enable": "1", "trt_engine_cache_path": "here"}
    open_fake(fake, "tensorrt", options)
    assert fake.calls[0]["providers"] == [
        ("TensorrtExecutionProvider", options),
        ("CUDAExecutionProvider", {"use_tf32": "0"}),
    ]


@pytest.mark.parametrize(
    ("wheel", "package"),
    [("onnxruntime", "'mtl-export[openvino]'"), ("onnxruntime-gpu", "onnxruntime-ep-openvino")],
)
def test_the_error_about_a_missing_plugin_says_what_to_install_next_to_the_installed_wheel(monkeypatch, wheel, package):
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_openvino", None)
    monkeypatch.setattr(availability, "installed_wheels", lambda: {wheel: "1.0"})
    with pytest.raises(ProviderError, match="onnxruntime-ep-openvino is not installed") as caught:
        require_provider(FakeOnnxruntime(), "openvino")
    assert f"run `pip install {package}`" in str(caught.value)


def test_a_plugin_that_offers_no_device_names_the_processor(monkeypatch):
    fake = FakeOnnxruntime()
    fake.get_ep_devices = list
    fake.register_execution_provider_library = lambda name, path: None
    plugin = SimpleNamespace(get_library_path=lambda: "plugin.so")
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_openvino", plugin)
    with pytest.raises(ProviderError, match=r"does not support this processor \(.+\), only Intel's"):
        require_provider(fake, "openvino")


def test_the_cpu_is_available_and_listed():
    assert provider_problem("cpu") is None
    assert "CPUExecutionProvider" in available_providers()


@pytest.mark.parametrize(
    ("architecture", "flags", "precise"),
    [
        ("x86_64", ("avx2", "fma"), "1"),
        ("x86_64", ("avx2", "avx512f"), "1"),
        ("AMD64", (), "1"),
        ("x86_64", ("avx2", "avx_vnni"), None),
        ("x86_64", ("avx512f", "avx512_vnni"), None),
        ("aarch64", ("asimd",), None),
        ("arm64", (), None),
    ],
)
def test_int8_adds_up_in_32_bits_where_x86_has_no_vnni(architecture, flags, precise):
    machine = replace(machine_facts(), architecture=architecture, cpu_flags=flags)
    options = session_module._options(ort, 3, machine, sums_fit_16_bits=False)
    try:
        entry = options.get_session_config_entry("session.x64quantprecision")
    except RuntimeError:  # that is how onnxruntime says that nothing was set
        entry = None
    assert entry == precise
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_int8_takes_the_fast_kernels_where_its_weights_are_small_enough():
    machine = replace(machine_facts(), architecture="x86_64", cpu_flags=())
    options = session_module._options(ort, 3, machine, sums_fit_16_bits=True)
    with pytest.raises(RuntimeError):
        options.get_session_config_entry("session.x64quantprecision")


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_this_onnxruntime_accepts_the_session_config(monkeypatch, bundle_path, classifier, architecture):
    facts = replace(machine_facts(), architecture=architecture, cpu_flags=())
    monkeypatch.setattr(session_module, "machine_facts", lambda: facts)
    graph = bundle_path / "model.int8.onnx"
    batch = Batch.of(classifier.tokenize(["good"]), pad_id=0)
    (logits,) = Session.open(graph).run(batch, ["logits.stars"])
    assert logits.shape == (1, 1)


def test_the_graph_that_runs_is_written_on_demand(tmp_path, bundle_path):
    target = tmp_path / "optimized.onnx"
    Session.open(bundle_path / "model.onnx", optimized=target)
    assert b"logits.stars" in target.read_bytes()


def test_an_invalid_graph_and_an_unknown_provider_are_different_errors(bundle_path):
    no_graph = bundle_path / "tokenizer.json"
    with pytest.raises(BundleError, match="cannot load the graph on CPUExecutionProvider"):
        Session.open(no_graph)
    with pytest.raises(ProviderError, match="known: cpu, openvino, cuda, tensorrt"):
        Session.open(no_graph, provider="abacus")
