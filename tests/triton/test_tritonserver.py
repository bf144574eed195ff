"""A model of ``mtl triton`` in a real Triton, asked with unmodified clients over HTTP and gRPC."""

import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

MODEL = "bundle"
MODULES = {"http": http_client, "grpc": grpc_client}
ADDRESSES = {"http": urlsplit(os.environ["MTL_TEST_URL"]).netloc, "grpc": os.environ["MTL_TEST_GRPC"]}


@pytest.fixture(scope="module", params=MODULES)
def transport(request):
    return request.param


@pytest.fixture(scope="module")
def client(transport):
    with MODULES[transport].InferenceServerClient(ADDRESSES[transport]) as client:
        yield client


@pytest.fixture
def ask(transport):
    """``ask(texts, *outputs)``: the arrays by name; without outputs, all of them. Each thread has its own client."""
    own = threading.local()

    def ask(texts, *outputs, **options):
        module, values = MODULES[transport], np.array(texts, dtype=np.object_).reshape(-1, 1)
        tensor = module.InferInput("text", list(values.shape), "BYTES")
        tensor.set_data_from_numpy(values)
        asked = [module.InferRequestedOutput(name, **options) for name in outputs]
        if not hasattr(own, "client"):
            own.client = module.InferenceServerClient(ADDRESSES[transport])
        result = own.client.infer(MODEL, [tensor], outputs=asked or None)
        response = result.get_response()
        listed = response["outputs"] if transport == "http" else response.outputs
        names = [one["name"] if transport == "http" else one.name for one in listed]
        return {name: result.as_numpy(name) for name in names}

    return ask


@pytest.fixture
def executions():
    """``executions()``: how often Triton has called the model so far."""

    def count():
        with http_client.InferenceServerClient(ADDRESSES["http"]) as client:
            (statistics,) = client.get_inference_statistics(MODEL)["model_stats"]
            return statistics["execution_count"]

    return count


def refusal(call, *arguments):
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments)
    return caught.value


def assert_labels(answer, name, labels):
    assert [label.decode() for label in answer[f"{name}.label"].ravel().tolist()] == labels


def assert_answers(answer, expected):
    """All tasks, as the library answers them."""
    for name, task in expected["tasks"].items():
        if task["labels"]:
            assert_labels(answer, name, task["answers"])
            probabilities = answer[f"{name}.probabilities"]
            assert probabilities.dtype == np.float64
            np.testing.assert_allclose(probabilities, task["probabilities"], rtol=0, atol=1e-6)
        else:
            np.testing.assert_allclose(answer[f"{name}.value"].ravel(), task["answers"], rtol=1e-5)


def test_answers_and_embeddings_are_those_of_the_library(ask, expected):
    answer = ask(expected["texts"])
    assert_answers(answer, expected)
    assert answer["sentence_embedding"].dtype == np.float32
    np.testing.assert_allclose(answer["sentence_embedding"], expected["embeddings"], rtol=0, atol=1e-6)


def test_only_outputs_asked_for(ask, expected):
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["labels"])
    answer = ask(expected["texts"], f"{name}.label")
    assert list(answer) == [f"{name}.label"]
    assert_labels(answer, name, task["answers"])


def test_the_best_labels(ask, expected):
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["kind"] == "single_label")
    answer = ask(expected["texts"], f"{name}.probabilities", class_count=1)
    best = [row.decode().split(":", 2) for (row,) in answer[f"{name}.probabilities"]]
    assert [label for _, _, label in best] == task["answers"]


def test_the_models_configuration_names_the_labels(client, transport, expected):
    config = client.get_model_config(MODEL)
    parameters = config["parameters"] if transport == "http" else config.config.parameters
    for name, task in expected["tasks"].items():
        if task["labels"]:
            value = parameters[f"labels.{name}"]
            assert json.loads(value["string_value"] if transport == "http" else value.string_value) == task["labels"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [([b"\xff\xfe"], "text 0: is not UTF-8"), (["a", "b" * 70_000], "text 1: has 70000 bytes")],
)
def test_texts_that_are_refused(ask, texts, said):
    error = refusal(ask, texts)
    assert said in error.message()
    assert error.status() in ("400", "StatusCode.INVALID_ARGUMENT")


def test_requests_at_once_get_their_own_answers_whatever_the_others_send(ask, expected, executions):
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["labels"])
    texts = expected["texts"]

    def ask_one(number):
        if number % 4 == 3:
            return refusal(ask, [texts[0], b"\xff"]).message()
        return ask([texts[number % len(texts)]], f"{name}.label")

    before = executions()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask_one, range(200)))
    assert executions() - before < 200, "each request was computed alone"
    for number, answer in enumerate(answers):
        if number % 4 == 3:
            assert "text 1: is not UTF-8" in answer
        else:
            assert_labels(answer, name, [task["answers"][number % len(texts)]])


def test_as_many_texts_as_the_configuration_allows(ask, expected):
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["labels"])
    assert_labels(ask((expected["texts"] * 50)[:256], f"{name}.label"), name, (task["answers"] * 50)[:256])
    assert "batch-size must be <= 256" in refusal(ask, ["a"] * 257).message()


def test_a_model_is_replaced_while_it_answers(client, ask, expected):
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda _: ask(expected["texts"]), range(100))
        subprocess.run(json.loads(os.environ["MTL_TEST_WRITE_MODEL"]), check=True)
        client.load_model(MODEL)
        for answer in answers:
            assert_answers(answer, expected)
    assert client.is_model_ready(MODEL)
    assert_answers(ask(expected["texts"]), expected)
