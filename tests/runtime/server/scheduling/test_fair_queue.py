"""Laws of the queue: nothing is lost, nothing is computed twice, nobody starves."""

import time
from concurrent.futures import Future
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.server.scheduling.fair_queue import FairQueue
from mtl_runtime.server.scheduling.ticket import Ticket
from mtl_runtime.server.served_model import ServedModel

requests = st.lists(st.lists(st.integers(0, 120), min_size=1, max_size=30), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def small(classifier):
    return ServedModel(name="small", classifier=classifier.with_settings(max_batch_tokens=40))


def ticket(model, texts, *, seconds=60.0):
    future = Future()  # has the same `done` as a future of asyncio, and needs no loop
    return Ticket(model=model, texts=texts, tasks=(), embed=False, deadline=time.monotonic() + seconds, future=future)


def texts_of(job):
    return [text for ticket, start, stop in job.slices for text in ticket.texts[start:stop]]


def take_all(queue, workers=1):
    jobs = []
    while True:
        job, late = queue.take(workers)
        if job is None:
            return jobs, late
        jobs.append(job)


@given(requests, st.integers(1, 4))
def test_every_text_is_taken_exactly_once_and_in_its_requests_order(small, lengths, workers):
    queue, tickets = FairQueue(), [ticket(small, ["a" * length for length in own]) for own in lengths]
    for one in tickets:
        queue.put(one)
    jobs, _ = take_all(queue, workers)
    taken = {id(one): [] for one in tickets}
    for job in jobs:
        for part in job.slices:
            taken[id(part.ticket)] += range(part.start, part.stop)
    assert all(taken[id(one)] == list(range(len(one.texts))) for one in tickets)
    assert (queue.texts, queue.tokens) == (0, 0)


@given(requests)
def test_a_job_has_at_most_four_batches_of_tokens_or_one_text_more(small, lengths):
    queue = FairQueue()
    for own in lengths:
        queue.put(ticket(small, ["a" * length for length in own]))
    longest = small.classifier.encoder.max_length
    jobs, _ = take_all(queue)
    assert all(job.tokens <= 4 * 40 + longest for job in jobs)
    assert all(job.tokens == sum(small.token_estimate.estimate(texts_of(job))) for job in jobs)


def test_a_short_request_is_in_the_next_job_whatever_waits_before_it(small):
    queue = FairQueue()
    long = [ticket(small, ["a" * 40] * 500) for _ in range(2)]
    short = ticket(small, ["a"])
    for one in (*long, short):
        queue.put(one)
    job, _ = queue.take(1)
    assert short in {part.ticket for part in job.slices}
    assert {part.ticket for part in job.slices} >= set(long)


def test_workers_share_what_waits(small):
    queue = FairQueue()
    for _ in range(20):
        queue.put(ticket(small, ["a" * 20]))
    alone, _ = queue.take(1)
    queue = FairQueue()
    for _ in range(20):
        queue.put(ticket(small, ["a" * 20]))
    shared, _ = queue.take(2)
    assert len(texts_of(shared)) < len(texts_of(alone))


def test_models_take_turns(small, classifier):
    other = ServedModel(name="other", classifier=replace(small.classifier))
    queue = FairQueue()
    for model in (small, small, other):
        queue.put(ticket(model, ["a" * 40] * 100))
    assert [queue.take(1)[0].model.name for _ in range(4)] == ["small", "other", "small", "other"]


def test_what_is_late_or_cancelled_is_not_computed(small):
    queue = FairQueue()
    late, gone, fine = ticket(small, ["a"], seconds=-1), ticket(small, ["b"]), ticket(small, ["c"])
    for one in (late, gone, fine):
        queue.put(one)
    gone.future.cancel()
    job, passed = queue.take(1)
    assert texts_of(job) == ["c"]
    assert passed == [late]
    assert queue.texts == 0


def test_tokens_are_learnt_from_texts(small):
    estimate = ServedModel(name="x", classifier=small.classifier).token_estimate
    assert estimate.estimate(["a" * 40]) == [12]
    for _ in range(50):
        estimate.learn(["good soup " * 2] * 20, [12] * 20)  # half a token a character, and two special ones
    assert estimate.estimate(["good soup "]) in ([6], [7])
    assert estimate.estimate(["a" * 10**6]) == [small.classifier.encoder.max_length]
