"""Requests of an event loop through worker threads, on a real bundle."""

import asyncio
import random
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from mtl_runtime.errors import ComputationError, NonFiniteError
from mtl_runtime.server.failures import DeadlineError, NotReadyError, OverloadedError
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.scheduling.scheduler import Scheduler
from mtl_runtime.server.served_model import ServedModel

WORDS = ["good", "bad", "soup", "goal", "bank", "the", "match", "price", "awful"]


def run(work, *, workers=2, limits=None):
    """Run ``work(scheduler)`` in a loop of its own."""

    async def main():
        scheduler = Scheduler(workers, limits or Limits(), asyncio.get_running_loop(), Metrics())
        try:
            return await work(scheduler)
        finally:
            await asyncio.to_thread(scheduler.close)

    return asyncio.run(main())


def ask(scheduler, model, texts, *, tasks=None, embed=False, seconds=20.0):
    specs = model.classifier.task_specs(tasks)
    return scheduler.compute(model, texts, specs, embed=embed, deadline=time.monotonic() + seconds)


def with_run_batch(model, run_batch):
    return ServedModel(name=model.name, classifier=replace(model.classifier, run_batch=run_batch))


def sentence(generator):
    return " ".join(generator.choices(WORDS, k=generator.randint(0, 15)))


def test_many_requests_at_once_get_the_answers_of_the_library(model):
    generator = random.Random(1)
    wanted = [[sentence(generator) for _ in range(generator.choice([1, 1, 1, 3, 40]))] for _ in range(60)]

    async def work(scheduler):
        return await asyncio.gather(*(ask(scheduler, model, texts, embed=True) for texts in wanted))

    for texts, result in zip(wanted, run(work), strict=True):
        for served, own in zip(result.predictions, model.classifier(texts), strict=True):
            assert served["sentiment"].label == own["sentiment"].label
            assert served["topics"].probabilities == pytest.approx(own["topics"].probabilities, abs=1e-6)
            assert served.tokens == own.tokens
        np.testing.assert_allclose(result.embeddings, model.classifier.embed(texts), atol=1e-5)


def test_a_lone_text_has_the_bits_of_the_library(model):
    async def work(scheduler):
        return (await ask(scheduler, model, ["the soup was good"])).predictions[0]

    assert run(work) == model.classifier("the soup was good")


def test_each_request_gets_its_own_tasks(model):
    async def work(scheduler):
        asked = (["stars"], ["topics", "sentiment"], ["stars", "topics", "sentiment"], None)
        results = await asyncio.gather(*(ask(scheduler, model, ["good"], tasks=tasks) for tasks in asked))
        return [list(result.predictions[0]) for result in results]

    in_order = ["stars", "topics", "sentiment"]
    assert run(work) == [["stars"], ["topics", "sentiment"], in_order, list(model.classifier.tasks)]


def test_only_the_request_with_the_bad_text_fails(model):
    def poisoned(batch, outputs):
        rows = model.classifier.run_batch(batch, outputs)
        rows[0][batch.attention_mask.sum(axis=1) == 9] = np.nan
        return rows

    async def work(scheduler):
        texts = [["good"], ["bad", "good " * 7], ["soup"]]
        return await asyncio.gather(
            *(ask(scheduler, with_run_batch(model, poisoned), some) for some in texts), return_exceptions=True
        )

    first, second, third = run(work, workers=1)
    assert isinstance(second, NonFiniteError)
    assert second.index == 1
    assert first.predictions[0] == model.classifier("good")
    assert third.predictions[0] == model.classifier("soup")


def test_what_the_session_raises_reaches_the_client_and_the_worker_goes_on(model):
    failing = threading.Event()
    failing.set()

    def run_batch(batch, outputs):
        if failing.is_set():
            raise ComputationError("the graph failed")
        return model.classifier.run_batch(batch, outputs)

    async def work(scheduler):
        broken = with_run_batch(model, run_batch)
        with pytest.raises(ComputationError):
            await ask(scheduler, broken, ["good"] * 3)
        failing.clear()
        return await ask(scheduler, broken, ["good"])

    assert run(work).predictions[0] == model.classifier("good")


def blocked(model):
    """The model, whose batches wait for the event; and the number of rows that ran."""
    release, rows = threading.Event(), []

    def run_batch(batch, outputs):
        release.wait(20)
        rows.append(len(batch.input_ids))
        return model.classifier.run_batch(batch, outputs)

    return with_run_batch(model, run_batch), release, rows


def test_a_deadline_ends_the_wait_and_the_work_is_not_run(model):
    slow, release, rows = blocked(model)

    async def work(scheduler):
        first = asyncio.create_task(ask(scheduler, slow, ["good"]))
        await asyncio.sleep(0.05)
        with pytest.raises(DeadlineError):
            await ask(scheduler, slow, ["bad"] * 9, seconds=0.05)
        release.set()
        await first
        await ask(scheduler, slow, ["soup"])
        return list(rows)

    assert run(work, workers=1) == [1, 1]


def test_a_cancelled_request_leaves_the_queue(model):
    slow, release, rows = blocked(model)

    async def work(scheduler):
        first = asyncio.create_task(ask(scheduler, slow, ["good"]))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(ask(scheduler, slow, [f"bad {number}" for number in range(9)]))
        await asyncio.sleep(0.05)
        second.cancel()
        release.set()
        await first
        await ask(scheduler, slow, ["soup"])
        return list(rows), scheduler.waiting_texts

    assert run(work, workers=1) == ([1, 1], 0)


def test_a_full_queue_refuses_at_once_and_says_when_to_come_again(model):
    slow, release, _ = blocked(model)

    async def work(scheduler):
        running = [asyncio.create_task(ask(scheduler, slow, ["good"]))]
        await asyncio.sleep(0.05)
        running.append(asyncio.create_task(ask(scheduler, slow, ["bad"] * 5)))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as refused:
            await ask(scheduler, slow, ["soup"])
        release.set()
        await asyncio.gather(*running)
        await ask(scheduler, slow, ["soup"])
        return refused.value.retry_after

    assert run(work, workers=1, limits=Limits(max_queued_texts=5)) >= 1


def test_a_queue_that_would_take_too_long_refuses_although_it_has_room(model):
    def run_batch(batch, outputs):
        time.sleep(0.05)
        return model.classifier.run_batch(batch, outputs)

    async def work(scheduler):
        slow = with_run_batch(model, run_batch)
        await ask(scheduler, slow, ["good"])  # so that the speed is known
        waiting = [asyncio.create_task(ask(scheduler, slow, ["good " * 12] * 50)) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="the queue is"):
            await ask(scheduler, slow, ["soup"])
        for task in waiting:
            task.cancel()

    run(work, workers=1, limits=Limits(max_queue_seconds=0.2))


def test_thousands_of_requests_with_cancellations_leave_nothing_behind(model):
    generator = random.Random(2)
    texts = [sentence(generator) for _ in range(50)]
    expected = {text: model.classifier(text)["sentiment"].label for text in texts}

    async def one(scheduler, text, patience):
        task = asyncio.create_task(ask(scheduler, model, [text]))
        if patience is not None:
            await asyncio.sleep(patience)
            task.cancel()
        try:
            return (await task).predictions[0]["sentiment"].label == expected[text]
        except asyncio.CancelledError:
            return None

    async def work(scheduler):
        outcomes = []
        for _ in range(20):
            patience = [generator.choice([None, None, generator.random() * 0.02]) for _ in range(100)]
            outcomes += await asyncio.gather(*(one(scheduler, generator.choice(texts), some) for some in patience))
        return outcomes, scheduler.waiting_texts

    outcomes, waiting = run(work)
    assert waiting == 0
    assert False not in outcomes
    assert outcomes.count(True) > 1000
    assert None in outcomes


def test_a_closed_scheduler_answers_what_waits_and_refuses_the_rest(model):
    async def work(scheduler):
        waiting = [asyncio.create_task(ask(scheduler, model, ["good"])) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.to_thread(scheduler.close)
        with pytest.raises(NotReadyError):
            await ask(scheduler, model, ["bad"])
        return await asyncio.gather(*waiting)

    assert len(run(work)) == 20
