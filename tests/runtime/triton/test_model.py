"""The file that Triton's python backend runs, with a stand-in for the backend; `make test-triton` has the real one."""

import json

import numpy as np
import pytest

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import IntegrityError, MtlError, UnknownVariantError
from mtl_runtime.triton.repository import write_model
from tests.runtime.triton.triton_backend import InferenceRequest, TritonError, open_model

TEXTS = ["A great soup, and a good match!", "", "awful", "naïve 😀 中", "the bank " * 40]
OUTPUTS = (
    "sentiment.label",
    "sentiment.probabilities",
    "topics.label",
    "topics.probabilities",
    "stars.value",
    "sentence_embedding",
)


@pytest.fixture(scope="module")
def folder(bundle_path, tmp_path_factory):
    return write_model(Bundle.open(bundle_path), tmp_path_factory.mktemp("models"))


@pytest.fixture
def model(folder, monkeypatch):
    return open_model(folder, monkeypatch, threads="1")[0]


def arrays(response):
    assert not response.has_error(), response.error().message()
    return {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}


def assert_answers(answer, texts, classifier):
    """All outputs, as the library gives them."""
    predictions = classifier(texts)
    for task in ("sentiment", "topics"):
        assert [label.decode() for label in answer[f"{task}.label"][:, 0]] == [one[task].value for one in predictions]
        expected = [list(one[task].probabilities.values()) for one in predictions]
        np.testing.assert_allclose(answer[f"{task}.probabilities"], expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(answer["stars.value"][:, 0], [one["stars"].value for one in predictions], rtol=1e-5)
    np.testing.assert_allclose(answer["sentence_embedding"], classifier.embed(texts), rtol=0, atol=1e-6)


def test_answers_are_those_of_the_library(model, classifier):
    (response,) = model.execute([InferenceRequest(TEXTS, OUTPUTS)])
    assert_answers(arrays(response), TEXTS, classifier)


def test_rows_of_texts_come_first_in_each_array_and_have_the_types_of_the_config(model):
    (response,) = model.execute([InferenceRequest(TEXTS, OUTPUTS)])
    assert {
        name: (array.dtype.kind, array.dtype.itemsize, array.shape) for name, array in arrays(response).items()
    } == {
        "sentiment.label": ("O", 8, (5, 1)),
        "sentiment.probabilities": ("f", 8, (5, 3)),
        "topics.label": ("O", 8, (5, 1)),
        "topics.probabilities": ("f", 8, (5, 3)),
        "stars.value": ("f", 8, (5, 1)),
        "sentence_embedding": ("f", 4, (5, 8)),
    }


def test_requests_that_are_gathered_get_their_own_texts_and_outputs(model, classifier):
    requests = [
        InferenceRequest(TEXTS[:2], OUTPUTS),
        InferenceRequest(TEXTS, ["topics.label"]),
        InferenceRequest(TEXTS[2:], ["sentence_embedding"]),
        InferenceRequest(TEXTS[:2], OUTPUTS),
    ]
    first, labels, embeddings, last = map(arrays, model.execute(requests))
    assert_answers(first, TEXTS[:2], classifier)
    assert_answers(last, TEXTS[:2], classifier)
    assert list(labels) == ["topics.label"]
    assert [label.decode() for label in labels["topics.label"][:, 0]] == [
        one["topics"].value for one in classifier(TEXTS)
    ]
    np.testing.assert_allclose(embeddings["sentence_embedding"], classifier.embed(TEXTS[2:]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"\xff\xfe", "text 1: is not UTF-8 (byte 0)"),
        ("b" * 70_000, "text 1: has 70000 bytes in UTF-8, the limit is 65536"),
    ],
)
def test_a_bad_text_is_the_clients_mistake_and_harms_no_neighbour(model, classifier, bad, said):
    requests = [InferenceRequest(TEXTS[:1], OUTPUTS), InferenceRequest(["a", bad], OUTPUTS)]
    good, refused, other = model.execute([*requests, InferenceRequest(TEXTS, OUTPUTS)])
    assert refused.error().message().startswith(said)
    assert refused.error().code() == TritonError.INVALID_ARG
    assert refused.output_tensors() == []
    assert_answers(arrays(good), TEXTS[:1], classifier)
    assert_answers(arrays(other), TEXTS, classifier)


def test_a_model_that_answers_nan_fails_only_those_who_ask_for_it(
    bundle_copy, change_stars_bias, change_manifest, classifier, tmp_path, monkeypatch
):
    change_stars_bias(bundle_copy, np.float32(np.nan).tobytes())
    change_manifest(bundle_copy)
    folder = write_model(Bundle.open(bundle_copy), tmp_path / "models")
    model, _ = open_model(folder, monkeypatch, variant="cpu-fp32", threads="1")
    stars = InferenceRequest(TEXTS, ["stars.value"])
    failed, answered = model.execute([stars, InferenceRequest(TEXTS, ["sentiment.label"])])
    assert "a logit of task 'stars' is not finite" in failed.error().message()
    assert failed.error().code() == TritonError.INTERNAL
    labels = arrays(answered)["sentiment.label"][:, 0]
    assert [label.decode() for label in labels] == [one["sentiment"].value for one in classifier(TEXTS)]


def test_an_error_that_nobody_foresaw_keeps_its_text_for_the_log(model, monkeypatch, caplog):
    monkeypatch.setattr("mtl_runtime.triton.text_model.answer_requests", lambda *_, **__: [RuntimeError("/secret")])
    (response,) = model.execute([InferenceRequest(["a"], OUTPUTS)])
    assert response.error().message() == "the model failed; Triton's log says why"
    assert "/secret" in caplog.text


def test_the_log_says_which_variant_runs_and_why(folder, monkeypatch):
    _, utils = open_model(folder, monkeypatch, variant="cpu-int8", threads="1")
    (line,) = utils.lines
    assert line.startswith(f"{folder.name}_0_0: cpu-int8 runs; asked for")


@pytest.mark.parametrize(("count", "cores", "threads"), [(1, 4, 4), (2, 4, 2), (3, 2, 1)])
def test_instances_divide_the_cores_among_them(folder, monkeypatch, count, cores, threads):
    for module in ("mtl_runtime.triton.text_model", "mtl_runtime.loading.execution_choice"):
        monkeypatch.setattr(f"{module}.allowed_cores", lambda: cores)
    model, _ = open_model(folder, monkeypatch, count=count)
    assert model._model.classifier.info.cores == threads


def test_an_instance_for_the_gpu_does_not_compute_on_the_cpu_unnoticed(folder, monkeypatch):
    with pytest.raises(MtlError, match=r"cpu-fp32 runs on the CPU, but config\.pbtxt says KIND_GPU .*--device cpu"):
        open_model(folder, monkeypatch, kind="GPU", threads="1")


def test_a_variant_that_is_not_there_and_a_damaged_bundle_are_named(bundle_path, tmp_path, monkeypatch):
    folder = write_model(Bundle.open(bundle_path), tmp_path)
    with pytest.raises(UnknownVariantError, match="no variant 'cpu-fp16'"):
        open_model(folder, monkeypatch, variant="cpu-fp16")
    with (folder / "1" / "bundle" / "model.onnx").open("ab") as graph:
        graph.write(b"x")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        open_model(folder, monkeypatch, variant="cpu-fp32")


def test_the_outputs_of_the_config_are_those_that_the_model_gives(folder, model):
    lines = (folder / "config.pbtxt").read_text("utf-8").split("output {")[1:]
    assert [json.loads(text.split("name: ")[1].splitlines()[0]) for text in lines] == list(OUTPUTS)
