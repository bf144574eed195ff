"""KServe's clients of the Open Inference Protocol, for REST and for gRPC: binary and JSON."""

import asyncio
import os
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml
from grpc import RpcError, StatusCode
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
    V1beta1InferenceServiceSpec,
    V1beta1PredictorSpec,
    constants,
)
from kserve.protocol.infer_type import RequestedOutput

MODEL = "bundle"
MANIFEST = Path(__file__).parents[2] / "deploy" / "kserve.yaml"
GRPC = os.environ["MTL_TEST_GRPC"]


def infer_request(texts, *, binary_data, shape=None, outputs=None, parameters=None):
    values = np.array(texts, dtype=np.object_).reshape(shape or (len(texts),))
    tensor = InferInput("text", list(values.shape), "BYTES")
    tensor.set_data_from_numpy(values, binary_data=binary_data)
    return InferRequest(MODEL, [tensor], request_id="42", request_outputs=outputs, parameters=parameters)


def over_rest(url, ask):
    """The result of ``ask`` with a client."""

    async def run():
        async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
            return await ask(client)

    return asyncio.run(run())


def over_grpc(ask):
    async def run():
        async with InferenceGRPCClient(GRPC) as client:
            return await ask(client)

    return asyncio.run(run())


@pytest.fixture(params=["rest", "grpc"])
def infer(request, url):
    """Send a request of KServe's over either transport."""
    if request.param == "rest":
        return lambda sent: over_rest(url, lambda client: client.infer(url, sent, model_name=MODEL))
    return lambda sent: over_grpc(lambda client: client.infer(sent))


def values(response, name):
    return response.get_output_by_name(name).as_numpy()


def strings(array):
    """KServe gives bytes for binary tensors and str for JSON."""
    return [item.decode() if isinstance(item, bytes) else item for item in array.ravel().tolist()]


def assert_answers(response, expected):
    for name, task in expected["tasks"].items():
        if task["labels"]:
            assert strings(values(response, f"{name}.label")) == task["answers"]
            probabilities = values(response, f"{name}.probabilities")
            np.testing.assert_allclose(probabilities, task["probabilities"], rtol=0, atol=1e-6)
        else:
            np.testing.assert_allclose(values(response, f"{name}.value"), task["answers"], rtol=1e-5)


def test_probes(url):
    async def ask(client):
        return [
            await client.is_server_live(url),
            await client.is_server_ready(url),
            await client.is_model_ready(url, MODEL),
            not await client.is_model_ready(url, "other"),
        ]

    assert over_rest(url, ask) == [True] * 4


def test_probes_over_grpc():
    async def ask(client):
        return [await client.is_server_live(), await client.is_server_ready(), await client.is_model_ready(MODEL)]

    assert over_grpc(ask) == [True] * 3


@pytest.mark.parametrize("binary_data", [False, True])
def test_answers_are_those_of_the_library(infer, expected, binary_data):
    request = infer_request(expected["texts"], binary_data=binary_data)
    response = infer(request)
    assert_answers(response, expected)
    assert (response.id, response.model_name) == ("42", MODEL)


def test_binary_outputs(url, expected):
    names = [f"{name}.label" for name, task in expected["tasks"].items() if task["labels"]]
    outputs = [RequestedOutput(name, {"binary_data": True}) for name in [*names, "sentence_embedding"]]
    request = infer_request(expected["texts"], binary_data=True, outputs=outputs)
    response = over_rest(url, lambda client: client.infer(url, request, model_name=MODEL))
    assert [output.name for output in response.outputs] == [*names, "sentence_embedding"]
    np.testing.assert_allclose(values(response, "sentence_embedding"), expected["embeddings"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(64,), (64, 1), (1, 64)])
@pytest.mark.parametrize("binary_data", [False, True])
def test_64_texts(infer, expected, shape, binary_data):
    texts = (expected["texts"] * 64)[:64]
    response = infer(infer_request(texts, binary_data=binary_data, shape=shape))
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["labels"])
    assert strings(values(response, f"{name}.label")) == (task["answers"] * 64)[:64]


@pytest.mark.parametrize("binary_data", [False, True])
def test_a_text_with_nul_is_one_text(infer, expected, binary_data):
    response = infer(infer_request(["a\0b", expected["texts"][0]], binary_data=binary_data))
    name, task = next((name, task) for name, task in expected["tasks"].items() if task["labels"])
    assert strings(values(response, f"{name}.label"))[1:] == task["answers"][:1]


def test_no_texts(infer, expected):
    response = infer(infer_request([], binary_data=True))
    for name, task in expected["tasks"].items():
        assert response.get_output_by_name(f"{name}.{'label' if task['labels'] else 'value'}").shape == [0]


def test_a_refusal_says_why(url):
    for sent, status, said in (
        (infer_request([b"\xff"], binary_data=True), 400, "string 0 is not UTF-8"),
        (infer_request(["b" * 70_000], binary_data=False), 422, "text 0: has 70000 bytes"),
        (infer_request(["a"], binary_data=False, parameters={"timeout": 1}), 504, "deadline"),
    ):
        with pytest.raises(httpx.HTTPStatusError, match=said) as caught:
            over_rest(url, lambda client, sent=sent: client.infer(url, sent, model_name=MODEL))
        assert caught.value.response.status_code == status
    with pytest.raises(httpx.HTTPStatusError, match="no model 'other'"):
        over_rest(url, lambda client: client.infer(url, infer_request(["a"], binary_data=False), model_name="other"))


def test_a_refusal_over_grpc_says_why():
    for sent, said in (
        (infer_request([b"\xff"], binary_data=True), "string 0 is not UTF-8"),
        (infer_request(["b" * 70_000], binary_data=False), "text 0: has 70000 bytes"),
    ):
        with pytest.raises(RpcError) as caught:
            over_grpc(lambda client, sent=sent: client.infer(sent))
        assert caught.value.code() is StatusCode.INVALID_ARGUMENT
        assert said in caught.value.details()


def test_kserve_knows_every_key_of_the_manifest():
    """Those of its container are Kubernetes' own; `make test-deploy` checks them."""
    service = yaml.safe_load(MANIFEST.read_text("utf-8"))
    assert service["apiVersion"] == f"{constants.KSERVE_GROUP}/{constants.KSERVE_V1BETA1_VERSION}"
    assert service["kind"] == constants.KSERVE_KIND_INFERENCESERVICE
    assert service["spec"].keys() <= set(V1beta1InferenceServiceSpec.attribute_map.values())
    assert service["spec"]["predictor"].keys() <= set(V1beta1PredictorSpec.attribute_map.values())
