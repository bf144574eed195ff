"""Requests with token ids in the scheduler, among requests with texts."""

import asyncio
import time

import numpy as np
import pytest

from mtl_runtime.server.scheduling.compute import Failure, compute_job
from mtl_runtime.server.scheduling.fair_queue import Job, Slice
from mtl_runtime.server.scheduling.ticket import Ticket


@pytest.fixture
def slice_of(model):
    """``slice_of(texts)``: a request for embeddings, taken whole."""
    loop = asyncio.new_event_loop()

    def make(texts):
        future, deadline = loop.create_future(), time.monotonic() + 60
        return Slice(
            Ticket(model=model, texts=texts, tasks=(), embed=True, deadline=deadline, future=future), 0, len(texts)
        )

    yield make
    loop.close()


def test_each_request_of_a_job_gets_the_rows_of_its_own_texts(model, classifier, slice_of):
    ids = classifier.tokenize(["a great soup", "", "awful"])
    texts = [["awful", "match"], ["a great soup", "", "awful"], ["awful"], ["a great soup"]]
    slices = [slice_of(texts[0]), slice_of(ids), slice_of(texts[2]), slice_of(ids[:1])]
    outcomes = {id(outcome.slice): outcome for outcome in compute_job(Job(model, tuple(slices), 0))}
    for part, own in zip(slices, texts, strict=True):
        np.testing.assert_allclose(outcomes[id(part)].embeddings, classifier.embed(own), atol=1e-6)
        assert [p.tokens for p in outcomes[id(part)].predictions] == [p.tokens for p in classifier(own)]


def test_token_ids_count_as_many_tokens_as_they_are_in_the_queue(classifier, slice_of):
    ids = classifier.tokenize(["a great soup", "awful " * 40])
    assert slice_of(ids).ticket.tokens == [len(text) for text in ids]


def test_token_ids_that_the_graph_cannot_read_harm_no_other_request(model, classifier, slice_of):
    (good,) = classifier.tokenize(["a great soup"])
    wild = type(good)((2, 10_000, 3), (0, 0, 0), False)
    slices = [slice_of([good]), slice_of([wild]), slice_of(["awful"])]
    outcomes = {id(outcome.slice): outcome for outcome in compute_job(Job(model, tuple(slices), 0))}
    failed = [isinstance(outcomes[id(part)], Failure) for part in slices]
    assert failed == [False, True, False]
