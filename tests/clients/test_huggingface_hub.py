"""huggingface_hub's InferenceClient with the bare URL of the server as its model."""

import asyncio

import numpy as np
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError


@pytest.fixture(scope="module")
def client(url):
    return InferenceClient(model=url)


def scores(elements):
    """Elements of the client -> scores by label, which must come in descending order."""
    values = [element.score for element in elements]
    assert values == sorted(values, reverse=True)
    return {element.label: element.score for element in elements}


def expected_scores(expected, task, number, kind="probabilities"):
    own = expected["tasks"][task]
    return pytest.approx(dict(zip(own["labels"], own[kind][number], strict=True)), abs=1e-5)


def test_a_text_is_classified_by_the_first_task(client, expected):
    for number, text in enumerate(expected["texts"]):
        elements = client.text_classification(text)
        assert scores(elements) == expected_scores(expected, "sentiment", number)
        assert elements[0].label == expected["tasks"]["sentiment"]["answers"][number]


def test_the_url_chooses_another_task(url, expected):
    for number, text in enumerate(expected["texts"]):
        topics = InferenceClient(model=f"{url}/?task=topics").text_classification(text)
        assert scores(topics) == expected_scores(expected, "topics", number)
        (stars,) = InferenceClient(model=f"{url}/?model=bundle:stars").text_classification(text)
        value = expected["tasks"]["stars"]["answers"][number]
        assert (stars.label, stars.score) == ("stars", pytest.approx(value, abs=1e-5))


def test_top_k_and_function_to_apply_are_obeyed(client, expected):
    text = expected["texts"][0]
    (best,) = client.text_classification(text, top_k=1)
    assert best.label == expected["tasks"]["sentiment"]["answers"][0]
    logits = client.text_classification(text, function_to_apply="none")
    assert scores(logits) == expected_scores(expected, "sentiment", 0, "logits")


def test_features_are_extracted_from_one_text_and_from_several(client, expected):
    texts, rows = expected["texts"], np.array(expected["unit_embeddings"])
    np.testing.assert_allclose(client.feature_extraction(texts), rows, atol=1e-5)
    np.testing.assert_allclose(client.feature_extraction(texts[0]), rows[:1], atol=1e-5)
    raw = client.feature_extraction(texts, normalize=False, truncate=True, truncation_direction="right")
    np.testing.assert_allclose(raw, expected["embeddings"], atol=1e-5)


def test_features_come_from_the_path_embed_too(url, expected):
    rows = InferenceClient(model=f"{url}/embed").feature_extraction(expected["texts"])
    np.testing.assert_allclose(rows, expected["unit_embeddings"], atol=1e-5)


def test_a_refusal_raises_with_the_servers_words(client, url):
    with pytest.raises(HfHubHTTPError, match="the limit is 65536") as refusal:
        client.text_classification("a" * 70_000)
    assert refusal.value.response.status_code == 422
    with pytest.raises(HfHubHTTPError, match="no task 'mood' in this bundle; it has: sentiment, topics, stars"):
        InferenceClient(model=f"{url}/?task=mood").text_classification("a")


def test_the_asynchronous_client_gets_the_same(url, expected):
    async def ask():
        async with AsyncInferenceClient(model=url) as client:
            labels = await asyncio.gather(*map(client.text_classification, expected["texts"]))
            return labels, await client.feature_extraction(expected["texts"])

    labels, rows = asyncio.run(ask())
    for number, elements in enumerate(labels):
        assert scores(elements) == expected_scores(expected, "sentiment", number)
    np.testing.assert_allclose(rows, expected["unit_embeddings"], atol=1e-5)
