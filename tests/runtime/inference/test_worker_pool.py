"""At most so many runs at once, whoever asks, and none for a caller that has gone."""

import asyncio
import gc
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from mtl_runtime.inference.worker_pool import WorkerPool

TEXTS = [f"good soup {'and bad ' * (index % 5)}{index}" for index in range(200)]


class Counting:
    """Runs batches with ``run`` and counts how many run at the same time."""

    def __init__(self, run):
        self.run, self.now, self.most, self.total = run, 0, 0, 0
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, batch, outputs):
        with self.lock:
            self.now, self.total = self.now + 1, self.total + 1
            self.most = max(self.most, self.now)
        try:
            self.gate.wait(10)
            return self.run(batch, outputs)
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture
def counting(classifier):
    return Counting(classifier.run_batch)


def test_the_callers_together_run_no_more_batches_at_once_than_there_are_workers(classifier, counting):
    shared = replace(classifier, run_batch=counting).with_settings(workers=2, max_batch_tokens=32)
    counting.gate.clear()  # batches that have begun stay until as many have as can
    with ThreadPoolExecutor(6) as pool:
        asked = pool.map(shared, [TEXTS, "good", TEXTS[:50], "bad", TEXTS, ["soup"]])
        for _ in range(500):
            if counting.now == 2:
                break
            time.sleep(0.01)
        counting.gate.set()
        answers = list(asked)
    assert counting.most == 2
    assert answers[0] == answers[4] == classifier.with_settings(max_batch_tokens=32)(TEXTS)
    assert answers[1] == classifier("good")


def test_a_copy_with_other_batches_shares_the_limit_of_runs_at_the_same_time(classifier, counting):
    first = replace(classifier, run_batch=counting).with_settings(workers=2, max_batch_tokens=32)
    second = first.with_settings(max_batch_tokens=16)
    counting.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(copy, TEXTS) for copy in (first, second, first, second)]
        for _ in range(50):
            time.sleep(0.01)
        counting.gate.set()
        labels = [[prediction["sentiment"].label for prediction in call.result()] for call in calls]
    assert all(answer == labels[0] for answer in labels)
    assert counting.most == 2


def test_a_lone_batch_runs_in_the_callers_own_thread(classifier):
    seen = []

    def run(batch, outputs):
        seen.append(threading.current_thread())
        return classifier.run_batch(batch, outputs)

    replace(classifier, run_batch=run).with_settings(workers=2)(["good", "bad"])
    assert seen == [threading.current_thread()]


def test_a_small_call_does_not_wait_for_all_of_a_large_one(classifier, counting):
    """The large call's batches queue up at the workers; the small one's are done by its own thread in between."""
    shared = replace(classifier, run_batch=counting).with_settings(workers=1, max_batch_tokens=8)
    counting.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        large = pool.submit(shared, TEXTS)
        while not counting.total:
            pass
        small = pool.submit(shared, TEXTS[:3])
        counting.gate.set()
        quiet = classifier.with_settings(max_batch_tokens=8)
        assert small.result() == quiet(TEXTS[:3])
        assert large.result() == quiet(TEXTS)


class StruckError(Exception):
    """What a signal handler raises."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")
def test_an_exception_from_a_signal_handler_loses_no_worker(classifier):
    """Wherever it strikes, between taking a slot and giving it back too."""
    shared = classifier.with_settings(workers=1)

    def strike(_signal, _frame):
        raise StruckError

    before = signal.signal(signal.SIGALRM, strike)
    try:
        for turn in range(1500):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 * (1 + turn % 30))
                shared("good soup")
                signal.setitimer(signal.ITIMER_REAL, 0)
            except StruckError:
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(shared, "good soup").result(timeout=10) == classifier("good soup")


def test_a_permit_that_is_dropped_goes_back_and_dies_with_its_pool():
    pool = WorkerPool(1)
    permits = pool._permits
    permits.get()  # and not held, as where an exception strikes at once
    assert pool.run_here(lambda: "done") == "done"
    assert permits.qsize() == 1
    gone = weakref.ref(permits)
    del permits, pool
    gc.collect()
    assert gone() is None


def test_calls_of_many_batches_are_answered_while_the_interpreter_ends(bundle_path):
    program = f"""
        import atexit, threading, time
        from mtl_runtime import load
        texts = [f"good soup {{'and bad ' * (i % 9)}}{{i}}" for i in range(300)]
        early, late = load({str(bundle_path)!r}), load({str(bundle_path)!r})
        early(texts)
        atexit.register(lambda: print(len(late(texts))))
        threading.Thread(target=lambda: (time.sleep(0.3), print(len(early(texts))))).start()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "300\n300\n", done.stderr


def test_a_failing_batch_fails_the_call_and_leaves_the_workers_fit_for_the_next(classifier):
    def run(batch, outputs):
        if (batch.input_ids == classifier.tokenizer.token_id("bank")).any():
            raise RuntimeError("device lost")
        return classifier.run_batch(batch, outputs)

    shared = replace(classifier, run_batch=run).with_settings(workers=2, max_batch_tokens=16)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="device lost"):
            shared([*TEXTS, "bank"])
        assert shared(TEXTS) == classifier.with_settings(max_batch_tokens=16)(TEXTS)


def test_awaited_calls_answer_as_others_do_and_let_the_loop_go_on(classifier):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        answers = await asyncio.gather(classifier.acall(TEXTS), classifier.acall("good", tasks=["stars"]))
        ticking.cancel()
        return ticks, answers

    ticks, (many, one) = asyncio.run(main())
    assert ticks > 1
    assert many == classifier(TEXTS)
    assert one == classifier("good", tasks=["stars"])


def test_a_cancelled_call_runs_no_further_batch_and_holds_no_worker(classifier, counting):
    shared = replace(classifier, run_batch=counting).with_settings(workers=1, max_batch_tokens=8)
    counting.gate.clear()

    async def main():
        call = asyncio.create_task(shared.acall(TEXTS))
        while not counting.total:
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        counting.gate.set()
        return await shared.acall("good")

    assert asyncio.run(main()) == classifier("good")
    # The batch that ran when the call was cancelled, one that the call's own thread had begun, and the last.
    assert counting.total <= 3


def test_a_stream_is_read_only_a_little_ahead(classifier):
    taken = []

    def texts():
        for index in range(1000):
            taken.append(index)
            yield f"good {index}"

    stream = classifier.stream(texts(), chunk_size=10)
    assert not taken
    first = next(stream)
    assert first == classifier("good 0")
    assert len(taken) <= 40
    stream.close()
    assert len(taken) <= 40


def test_one_str_is_not_several_texts(classifier):
    for call in (classifier.stream, classifier.logits, classifier.tokenize):
        with pytest.raises(TypeError, match="found one str; put it into a list"):
            call("good")
    with pytest.raises(TypeError, match="found one str"):
        list(classifier.stream_chunks(["good"]))
    with pytest.raises(ValueError, match="chunk_size is 0"):
        classifier.stream(["good"], chunk_size=0)


def test_texts_with_many_characters_are_cut_into_smaller_chunks(classifier):
    """What the tokenizer keeps of a text grows with its characters, so they bound a chunk, and the memory."""
    taken = []

    def texts():
        for index in range(200):
            taken.append(index)
            yield "a b " * 16_000

    stream = classifier.stream(texts())
    next(stream)
    assert len(taken) <= 4 * 17  # 64,000 characters each, a million a chunk


@pytest.mark.parametrize("chunk_size", [1, 7, 1000])
def test_a_stream_answers_in_order_whatever_its_chunks(classifier, chunk_size):
    some = [*TEXTS, *TEXTS[:20], "good", "good"]
    streamed = list(classifier.stream(iter(some), chunk_size=chunk_size))
    together = classifier(some)
    assert [one.tokens for one in streamed] == [one.tokens for one in together]
    for task in classifier.tasks:
        found, expected = ([one[task].logits for one in those] for those in (streamed, together))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_bad_text_in_a_stream_tells_its_place_in_the_whole(classifier):
    stream = classifier.stream([*TEXTS[:25], None], chunk_size=10)
    with pytest.raises(Exception, match="text 25: expected a str, found NoneType"):
        list(stream)
