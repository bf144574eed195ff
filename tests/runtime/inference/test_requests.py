"""Requests that are computed together: each gets its own answers, and an error only its culprit."""

from dataclasses import replace

import numpy as np
import pytest

from mtl_runtime.errors import InvalidTextError
from mtl_runtime.inference.pipeline import Pipeline
from mtl_runtime.inference.requests import Request, Result, answer_requests
from mtl_runtime.inference.settings import InputOptions


def answer(classifier, *requests, settings=None):
    pipeline = Pipeline(classifier.tokenizer, classifier.run_batch, settings or classifier.settings, None)
    return answer_requests(pipeline, requests, hidden_size=classifier.encoder.hidden_size)


def request(classifier, texts, tasks=(), embed=False):
    return Request(texts, classifier.task_specs(tasks) if tasks else (), embed)


def test_each_request_gets_what_it_asks_for(classifier):
    both = request(classifier, ["good", "awful", "good"], ["stars", "sentiment"])
    embeddings = request(classifier, ["awful"], embed=True)
    first, second = answer(classifier, both, embeddings)
    assert [list(one) for one in first.predictions] == [["stars", "sentiment"]] * 3
    assert [one["sentiment"].label for one in first.predictions] == [
        one["sentiment"].label for one in classifier(both.texts)
    ]
    assert first.embeddings is None
    np.testing.assert_allclose(second.embeddings, classifier.embed(["awful"]), atol=1e-6)
    assert [len(one) for one in second.predictions] == [0]


def test_more_texts_than_are_tokenized_at_once_keep_their_order(classifier):
    texts = [f"good {number}" for number in range(1500)]
    (result,) = answer(classifier, request(classifier, texts, ["sentiment"], embed=True))
    assert [one["sentiment"].label for one in result.predictions] == [
        one["sentiment"].label for one in classifier(texts, tasks=["sentiment"])
    ]
    np.testing.assert_allclose(result.embeddings, classifier.embed(texts), atol=1e-6)


@pytest.mark.parametrize("before", [0, 1200])
def test_an_error_counts_the_texts_of_its_own_request(classifier, before):
    """Long texts are an error here, which the tokenizer finds after the texts were put together."""
    settings = replace(classifier.settings, inputs=InputOptions(long_text="error"))
    texts = [*(f"good {number}" for number in range(before)), "awful", "the bank " * 400]
    first, failed, last = answer(
        classifier,
        request(classifier, ["good"], ["sentiment"]),
        request(classifier, texts, ["sentiment"]),
        request(classifier, ["bad"], ["sentiment"]),
        settings=settings,
    )
    assert isinstance(failed, InvalidTextError)
    assert failed.index == before + 1
    assert isinstance(first, Result)
    assert isinstance(last, Result)


def test_no_requests_have_no_results(classifier):
    assert answer(classifier) == []
