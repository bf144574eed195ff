"""OpenVINO's plugin next to the stock onnxruntime gives the CPU's answers, from any number of threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.diagnostics.doctor import diagnose
from mtl_runtime.diagnostics.node_placement import count_providers, running_nodes
from mtl_runtime.errors import BundleError, ProviderError
from mtl_runtime.gate.verify import verify
from mtl_runtime.providers.session import Session, provider_problem

problem = provider_problem("openvino")
pytestmark = pytest.mark.skipif(problem is not None, reason=str(problem))
TEXTS = ["the soup was good", "", "awful match!", "great goal and a great price", "bank " * 40] * 5


@pytest.mark.parametrize(("variant", "relative"), [("openvino-fp32", 1e-6), ("openvino-bf16", 2**-7)])
def test_the_answers_are_the_cpus_within_the_precision(classifier, providers_bundle, variant, relative):
    openvino = load(providers_bundle, variant=variant, threads=2)
    assert openvino.info.provider == "openvino"
    expected = classifier.logits(TEXTS)
    for task, rows in openvino.logits(TEXTS).items():
        np.testing.assert_allclose(rows, expected[task], rtol=relative, atol=4 * relative)
    assert [p["sentiment"].label for p in openvino(TEXTS)] == [p["sentiment"].label for p in classifier(TEXTS)]


@pytest.mark.parametrize("variant", ["openvino-fp32", "openvino-bf16"])
def test_eight_threads_on_one_session_answer_bit_for_bit_as_one(providers_bundle, variant):
    openvino = load(providers_bundle, variant=variant, threads=2)
    alone = openvino.logits(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: openvino.logits(TEXTS), range(32)))
    for result in results:
        for task, rows in alone.items():
            assert rows.tobytes() == result[task].tobytes()


def test_threads_that_open_sessions_at_once_register_the_plugin_once(providers_bundle):
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: load(providers_bundle, variant="openvino-fp32", threads=1), range(8)))
    assert len({classifier.logits(["good"])["stars"].tobytes() for classifier in opened}) == 1


def test_the_fp32_variant_passes_its_golden_texts(providers_bundle):
    report = verify(providers_bundle, variants=["openvino-fp32", "openvino-bf16"])
    assert report.passed
    assert all(check.passed for check in report.checks)


def test_the_whole_graph_is_compiled_into_one_node_and_the_doctor_says_so(providers_bundle):
    assert count_providers(running_nodes(Bundle.open(providers_bundle), "openvino-fp32", text="good")) == {
        "OpenVINOExecutionProvider": 1
    }
    diagnosis = diagnose(providers_bundle)
    assert "OpenVINOExecutionProvider" in diagnosis.providers
    (trial,) = (trial for trial in diagnosis.variants if trial.variant == "openvino-fp32")
    assert "a whole part of the graph, compiled" in trial.detail
    assert "fell" not in trial.detail


def test_a_property_that_openvino_does_not_know_is_named_and_stderr_stays_clean(bundle_path, capfd):
    graph = bundle_path / "model.onnx"
    with pytest.raises(BundleError, match="NO_SUCH_KEY"):
        Session.open(graph, provider="openvino", provider_options={"NO_SUCH_KEY": "1"})
    assert capfd.readouterr() == ("", "")


def test_a_compiled_graph_cannot_be_written(bundle_path, tmp_path):
    graph = bundle_path / "model.onnx"
    with pytest.raises(ProviderError, match="openvino compiles the graph"):
        Session.open(graph, provider="openvino", optimized=tmp_path / "optimized.onnx")
