"""The openai package with the server as its base URL."""

import asyncio
import base64

import numpy as np
import openai
import pytest


@pytest.fixture(scope="module")
def client(url):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def rows(answer):
    assert [item.index for item in answer.data] == list(range(len(answer.data)))
    return np.array([item.embedding for item in answer.data])


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}])
def test_texts_have_the_embeddings_of_the_library(client, expected, options):
    """Without a format the client asks for base64, and decodes it."""
    answer = client.embeddings.create(model="bundle", input=expected["texts"], **options)
    np.testing.assert_allclose(rows(answer), expected["unit_embeddings"], atol=1e-5)


def test_who_asks_for_base64_gets_little_endian_float32(client, expected):
    answer = client.embeddings.create(model="bundle", input=expected["texts"], encoding_format="base64")
    decoded = [np.frombuffer(base64.b64decode(item.embedding), "<f4") for item in answer.data]
    np.testing.assert_allclose(decoded, expected["unit_embeddings"], atol=1e-5)


def test_one_text_and_its_tokens_are_counted(client, expected):
    answer = client.embeddings.create(model="bundle", input=expected["texts"][0])
    np.testing.assert_allclose(rows(answer), expected["unit_embeddings"][:1], atol=1e-5)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == len(expected["token_ids"][0])
    assert answer.model == "bundle"


def test_token_ids_have_the_embeddings_of_their_texts(client, expected):
    answer = client.embeddings.create(model="bundle", input=expected["token_ids"])
    np.testing.assert_allclose(rows(answer), expected["unit_embeddings"], atol=1e-5)
    answer = client.embeddings.create(model="bundle", input=expected["token_ids"][0])
    np.testing.assert_allclose(rows(answer), expected["unit_embeddings"][:1], atol=1e-5)


def test_models_are_listed_and_shown(client):
    assert [model.id for model in client.models.list()] == ["bundle"]
    assert client.models.retrieve("bundle").owned_by == "mtl-export"
    with pytest.raises(openai.NotFoundError, match="no model 'other' is served here; there are: bundle"):
        client.models.retrieve("other")


def test_a_refusal_is_the_sdks_own_exception(client):
    with pytest.raises(openai.BadRequestError, match="dimensions is 4") as refusal:
        client.embeddings.create(model="bundle", input="a", dimensions=4)
    assert (refusal.value.type, refusal.value.code) == ("invalid_request_error", "bad_request")
    with pytest.raises(openai.UnprocessableEntityError, match="the limit is 65536"):
        client.embeddings.create(model="bundle", input="a" * 70_000)
    with pytest.raises(openai.UnprocessableEntityError, match="token id -1 is not in the vocabulary"):
        client.embeddings.create(model="bundle", input=[2, -1, 3])


def test_the_asynchronous_client_gets_the_same(url, expected):
    async def ask():
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            create = client.embeddings.create
            return await asyncio.gather(*(create(model="bundle", input=text) for text in expected["texts"]))

    answers = asyncio.run(ask())
    np.testing.assert_allclose(np.concatenate([*map(rows, answers)]), expected["unit_embeddings"], atol=1e-5)


@pytest.mark.parametrize("task", ["sentiment", "topics", "stars"])
def test_classify_is_asked_through_the_same_client(client, expected, task):
    """vLLM has no client of its own for it."""
    body = {"model": f"bundle:{task}", "input": expected["texts"]}
    answer = client.post("/classify", body=body, cast_to=dict)
    own = expected["tasks"][task]
    if task == "stars":
        assert [item["label"] for item in answer["data"]] == ["stars"] * len(expected["texts"])
        scores = [[value] for value in own["answers"]]
    else:
        assert [item["label"] for item in answer["data"]] == own["answers"]
        scores = own["probabilities"]
    np.testing.assert_allclose([item["probs"] for item in answer["data"]], scores, atol=1e-5)
