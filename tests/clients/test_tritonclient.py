"""tritonclient over HTTP and over gRPC, each also with asyncio: binary and JSON, compressed, in versions, at once."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http as http_client
import tritonclient.http.aio as http_aio
from tritonclient.utils import InferenceServerException

MODEL = "bundle"
MODULES = {"http": http_client, "grpc": grpc_client}
AIO_MODULES = {"http": http_aio, "grpc": grpc_aio}
ADDRESSES = {"http": urlsplit(os.environ["MTL_TEST_URL"]).netloc, "grpc": os.environ["MTL_TEST_GRPC"]}


@pytest.fixture(scope="module", params=MODULES)
def transport(request):
    return request.param


@pytest.fixture(scope="module")
def client(transport):
    options = {"concurrency": 8} if transport == "http" else {}
    with MODULES[transport].InferenceServerClient(ADDRESSES[transport], **options) as client:
        yield client


def text_input(transport, texts, shape=None, **options):
    values = np.array(texts, dtype=np.object_).reshape(shape or (len(texts), 1))
    tensor = MODULES[transport].InferInput("text", list(values.shape), "BYTES")
    tensor.set_data_from_numpy(values, **options)
    return [tensor]


def strings(array):
    """The client gives bytes for binary tensors and str for JSON."""
    return [item.decode() if isinstance(item, bytes) else item for item in array.ravel().tolist()]


def asked(transport, *names, **options):
    return [MODULES[transport].InferRequestedOutput(name, **options) for name in names]


def assert_answers(result, expected):
    """All tasks, as the library answers them."""
    for name, task in expected["tasks"].items():
        if task["labels"]:
            assert strings(result.as_numpy(f"{name}.label")) == task["answers"]
            probabilities = result.as_numpy(f"{name}.probabilities")
            assert probabilities.dtype == np.float64
            np.testing.assert_allclose(probabilities, task["probabilities"], rtol=0, atol=1e-6)
        else:
            np.testing.assert_allclose(result.as_numpy(f"{name}.value"), task["answers"], rtol=1e-5)


def refusal(call, *arguments, **options):
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **options)
    return caught.value


def test_probes_and_metadata(client, transport):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    server, model = client.get_server_metadata(), client.get_model_metadata(MODEL)
    if transport == "http":
        assert server["name"] == "mtl-export"
        assert model["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
        assert client.get_model_config(MODEL)["name"] == MODEL
        assert [entry["state"] for entry in client.get_model_repository_index()] == ["READY"]
    else:
        assert server.name == "mtl-export"
        assert [tensor.name for tensor in model.inputs] == ["text"]


@pytest.mark.parametrize("version", ["", "1"])
def test_answers_are_those_of_the_library(client, transport, expected, version):
    result = client.infer(MODEL, text_input(transport, expected["texts"]), model_version=version, request_id="42")
    assert_answers(result, expected)
    response = result.get_response()
    assert (response["id"] if transport == "http" else response.id) == "42"


def test_texts_and_outputs_in_json(expected):
    with http_client.InferenceServerClient(ADDRESSES["http"]) as client:
        names = [f"{name}.{part}" for name, task in expected["tasks"].items() for part in parts(task)]
        outputs = asked("http", *names, binary_data=False)
        result = client.infer(MODEL, text_input("http", expected["texts"], binary_data=False), outputs=outputs)
    assert_answers(result, expected)


def parts(task):
    return ("label", "probabilities") if task["labels"] else ("value",)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_request(client, transport, expected, algorithm):
    option = "request_compression_algorithm" if transport == "http" else "compression_algorithm"
    assert_answers(client.infer(MODEL, text_input(transport, expected["texts"]), **{option: algorithm}), expected)


def test_only_outputs_asked_for(client, transport, expected):
    outputs = asked(transport, "sentence_embedding")
    result = client.infer(MODEL, text_input(transport, expected["texts"]), outputs=outputs)
    embeddings = result.as_numpy("sentence_embedding")
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, expected["embeddings"], rtol=0, atol=1e-6)
    assert all(
        result.as_numpy(f"{name}.{part}") is None for name, task in expected["tasks"].items() for part in parts(task)
    )


def test_the_best_labels(client, transport, expected):
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["kind"] == "single_label")
    outputs = asked(transport, f"{name}.probabilities", class_count=1)
    result = client.infer(MODEL, text_input(transport, expected["texts"]), outputs=outputs)
    best = [row.decode().split(":", 2) for (row,) in result.as_numpy(f"{name}.probabilities")]
    assert [label for _, _, label in best] == task["answers"]
    assert [task["labels"][int(index)] for _, index, _ in best] == task["answers"]


@pytest.mark.parametrize("shape", [(0,), (0, 1), (1, 0)])
def test_no_texts(client, transport, shape, expected):
    result = client.infer(MODEL, text_input(transport, [], shape))
    for name, task in expected["tasks"].items():
        assert result.as_numpy(f"{name}.{parts(task)[0]}").shape == (0,)


@pytest.mark.parametrize("shape", [(64,), (64, 1), (1, 64)])
def test_64_texts(client, transport, shape, expected):
    texts = (expected["texts"] * 64)[:64]
    result = client.infer(MODEL, text_input(transport, texts, shape))
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["labels"])
    assert strings(result.as_numpy(f"{name}.label")) == (task["answers"] * 64)[:64]


def test_a_text_with_nul_is_one_text(client, transport, expected):
    texts = ["a\0b", expected["texts"][0]]
    result = client.infer(MODEL, text_input(transport, texts))
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["labels"])
    assert strings(result.as_numpy(f"{name}.label"))[1:] == task["answers"][:1]


@pytest.mark.parametrize(
    ("texts", "said"),
    [([b"\xff\xfe"], "string 0 is not UTF-8"), (["a", "b" * 70_000], "text 1: has 70000 bytes")],
)
def test_texts_that_are_refused(client, transport, texts, said):
    error = refusal(client.infer, MODEL, text_input(transport, texts))
    assert said in error.message()
    assert error.status() in ("400", "422", "StatusCode.INVALID_ARGUMENT")
    assert client.infer(MODEL, text_input(transport, ["a"]))


def test_a_message_that_is_too_long(client, transport):
    error = refusal(client.infer, MODEL, text_input(transport, ["a" * 10_000_000]))
    assert error.status() in ("413", "StatusCode.RESOURCE_EXHAUSTED")


def test_what_is_not_there(client, transport):
    texts = text_input(transport, ["a"])
    for call in (
        lambda: client.infer("other", texts),
        lambda: client.infer(MODEL, texts, model_version="2"),
        lambda: client.get_model_metadata("other"),
    ):
        assert refusal(call).status() in ("404", "StatusCode.NOT_FOUND")
    error = refusal(client.infer, MODEL, texts, outputs=asked(transport, "mood"))
    assert "the model has no output 'mood'" in error.message()
    for call in (client.get_inference_statistics, client.get_trace_settings, lambda: client.unload_model(MODEL)):
        assert refusal(call).status() in ("404", "StatusCode.UNIMPLEMENTED")


def test_a_timeout_in_microseconds(client, transport):
    error = refusal(client.infer, MODEL, text_input(transport, ["a"]), timeout=1)
    assert error.status() in ("504", "StatusCode.DEADLINE_EXCEEDED")
    assert client.infer(MODEL, text_input(transport, ["a"]), timeout=20_000_000, parameters={"mine": 1}, priority=2)


def test_requests_at_once(client, transport, expected):
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["labels"])
    texts = expected["texts"] * 10
    results = list(infer_at_once(client, transport, texts))
    assert [label for result in results for label in strings(result.as_numpy(f"{name}.label"))] == task["answers"] * 10


def infer_at_once(client, transport, texts):
    if transport == "http":
        calls = [client.async_infer(MODEL, text_input(transport, [text])) for text in texts]
        yield from (call.get_result() for call in calls)
    else:
        with ThreadPoolExecutor(8) as pool:
            yield from pool.map(lambda text: client.infer(MODEL, text_input(transport, [text])), texts)


def test_calls_back_over_grpc(expected):
    results = []
    with grpc_client.InferenceServerClient(ADDRESSES["grpc"]) as client, ThreadPoolExecutor(1) as pool:
        for _ in range(5):
            client.async_infer(
                MODEL,
                text_input("grpc", expected["texts"]),
                lambda result, error: pool.submit(results.append, error or result),
            )
        while len(results) < 5:
            client.is_server_live()
    for result in results:
        assert_answers(result, expected)


def test_with_asyncio(transport, expected):
    async def ask():
        async with AIO_MODULES[transport].InferenceServerClient(ADDRESSES[transport]) as client:
            texts = text_input(transport, expected["texts"])
            return await asyncio.gather(*(client.infer(MODEL, texts, outputs=None) for _ in range(20)))

    for result in asyncio.run(ask()):
        assert_answers(result, expected)
