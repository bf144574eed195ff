import base64

import numpy as np
import pytest

from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.settings import Split
from tests.runtime.server.running import RunningServer

TEXTS = ["a great soup", "", "awful match!"]


def embed(server, **body):
    status, _, answer = server.ask("POST", "/v1/embeddings", body)
    assert status == 200, answer
    return answer


def vectors(answer):
    assert [row["index"] for row in answer["data"]] == list(range(len(answer["data"])))
    return np.array([row["embedding"] for row in answer["data"]])


def test_embeddings_are_those_of_the_library_with_length_1(server, classifier):
    answer = embed(server, model="tiny", input=TEXTS)
    np.testing.assert_allclose(vectors(answer), classifier.embed(TEXTS, normalize=True), atol=1e-6)
    tokens = sum(prediction.tokens for prediction in classifier(TEXTS))
    assert (answer["object"], answer["model"]) == ("list", "tiny")
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_base64_holds_little_endian_float32(server, classifier):
    answer = embed(server, model="tiny", input="a great soup", encoding_format="base64")
    row = np.frombuffer(base64.b64decode(answer["data"][0]["embedding"]), dtype="<f4")
    np.testing.assert_allclose(row, classifier.embed("a great soup", normalize=True), atol=1e-6)


def test_token_ids_are_read_like_the_texts_that_they_stand_for(server, classifier):
    ids = [list(text.ids) for text in classifier.tokenize(TEXTS)]
    assert embed(server, input=ids)["usage"] == embed(server, input=TEXTS)["usage"]
    np.testing.assert_allclose(vectors(embed(server, input=ids)), vectors(embed(server, input=TEXTS)), atol=1e-6)
    np.testing.assert_allclose(vectors(embed(server, input=ids[0])), vectors(embed(server, input=TEXTS[0])), atol=1e-6)


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ([[2, 3], []], 422, "text 1: has 0 token ids; the encoder reads from 1 to 16"),
        ([2] * 17, 422, "text 0: has 17 token ids"),
        ([2, -1, 3], 422, "token id -1 is not in the vocabulary, which ends at 98"),
        ([2, 99, 3], 422, "token id 99 is not in the vocabulary"),
        ([2, 2**62, 3], 422, "is not in the vocabulary"),
        ([2, 2**70, 3], 422, "is not in the vocabulary"),
        ([2, 1.5], 400, ""),
        ([2, True], 400, ""),
        ([2, "a"], 400, "mixes texts and token ids"),
        ([[2], "a"], 400, "mixes texts and token ids"),
        ([[2], 3], 400, "mixes texts and token ids"),
        ([[[2]]], 400, ""),
        ([[2]] * 1025, 413, "the limit is 1024"),
        ([], 400, "send at least one text"),
        (None, 400, ""),
    ],
)
def test_what_is_no_input_is_refused(server, given, status, said):
    got, _, answer = server.ask("POST", "/v1/embeddings", {"model": "tiny", "input": given})
    assert got == status
    assert said in answer["error"]["message"]


def test_dimensions_are_those_of_the_model_or_refused(server):
    assert vectors(embed(server, input="a", dimensions=8)).shape == (1, 8)
    status, _, answer = server.ask("POST", "/v1/embeddings", {"input": "a", "dimensions": 4})
    assert status == 400
    assert answer["error"]["message"] == "dimensions is 4, but these embeddings have 8 and are not shortened"


def test_models_are_the_bundles(server):
    _, _, models = server.ask("GET", "/v1/models")
    assert [(row["id"], row["object"]) for row in models["data"]] == [("tiny", "model")]
    assert server.ask("GET", "/v1/models/tiny")[2] == models["data"][0]
    assert server.ask("GET", "/v1/models/other")[0] == 404


def test_a_split_is_listed_like_a_model(classifier):
    models = [ServedModel(name=name, classifier=classifier) for name in ("a", "b")]
    with RunningServer(models) as server:
        server.service.models = ModelTable(models, [Split("live", {"a": 1, "b": 1})])
        assert [row["id"] for row in server.ask("GET", "/v1/models")[2]["data"]] == ["live", "a", "b"]
        assert server.ask("GET", "/v1/models/live")[2]["id"] == "live"


def test_errors_have_the_shape_that_the_sdk_reads(model):
    with RunningServer([model], keys=["secret"]) as server:
        status, _, answer = server.ask("GET", "/v1/models")
        assert (status, answer["error"]["type"], answer["error"]["code"]) == (
            401,
            "authentication_error",
            "unauthorized",
        )
        server.service.requests = server.limits.max_requests
        ask = {"method": "POST", "path": "/v1/embeddings", "body": {"input": "a"}, "Authorization": "Bearer secret"}
        status, headers, answer = server.ask(**ask)
        assert (status, headers["retry-after"], answer["error"]["type"]) == (429, "1", "rate_limit_error")
        server.service.requests = 0
