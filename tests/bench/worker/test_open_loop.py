"""The server scenario: due texts are answered, waiting ones together, and latency counts from the due moment."""

import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_bench.results.scenarios import Rate
from mtl_bench.suite.max_rate_search import search_max_rate
from mtl_bench.worker.open_loop import draw_arrivals, run_open_loop


class SlowSystem:
    """Stands for a system: records its calls, and takes its time."""

    def __init__(self, seconds=0.0):
        self.calls, self.lock, self.seconds = [], threading.Lock(), seconds

    def __call__(self, numbers):
        with self.lock:
            self.calls.append(list(numbers))
        time.sleep(self.seconds)


@given(
    gaps=st.lists(st.sampled_from([0.0, 0.0, 0.0005]), min_size=1, max_size=25),
    max_texts=st.integers(1, 8),
    threads=st.integers(1, 4),
)
def test_every_text_is_answered_once_in_calls_of_neighbours_no_larger_than_allowed(gaps, max_texts, threads):
    due = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    answer = SlowSystem()
    latencies = run_open_loop(answer, due, max_texts=max_texts, threads=threads)
    assert sorted(number for call in answer.calls for number in call) == list(range(len(due)))
    assert all(len(call) <= max_texts for call in answer.calls)
    assert all(b == a + 1 for call in answer.calls for a, b in pairwise(call))
    assert len(latencies) == len(due)
    assert min(latencies) >= 0


def test_no_text_is_answered_before_it_is_due():
    due, seen = [0.0, 0.02, 0.04, 0.06], []
    start = time.perf_counter()
    run_open_loop(lambda numbers: seen.extend((n, time.perf_counter() - start) for n in numbers), due, max_texts=4)
    assert all(moment >= due[number] for number, moment in seen)


def test_a_stall_is_counted_for_every_text_that_waited_behind_it():
    due = [0.0] + [0.01 * number for number in range(1, 10)]

    def stalls(numbers):
        if 0 in numbers:
            time.sleep(0.2)

    latencies = run_open_loop(stalls, due, max_texts=32)
    # Counted from the call, all but the first would be 0.
    assert all(latency >= 0.2 - moment for latency, moment in zip(latencies, due, strict=True))


def test_an_error_of_the_system_reaches_the_caller():
    def broken(numbers):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        run_open_loop(broken, [0.0, 0.0], max_texts=1, threads=2)


def test_arrivals_are_the_same_for_the_same_seed_and_have_the_rate_asked_for():
    due = draw_arrivals(200.0, 4000, seed=3)
    assert due == draw_arrivals(200.0, 4000, seed=3) != draw_arrivals(200.0, 4000, seed=4)
    assert all(later > earlier for earlier, later in pairwise(due))
    # Mean of 4,000 exponential gaps: 5 ms with a standard error of 0.08 ms.
    assert due[-1] / 4000 == pytest.approx(1 / 200, abs=4 * 0.08e-3)


class Queue:
    """Stands for a process whose latency rises without end from ``limit`` texts per second on."""

    def __init__(self, limit):
        self.limit, self.asked = limit, []

    def run(self, name, *, rate, queries, size, max_texts, seed):
        self.asked.append((rate, queries))
        self.max_texts = max_texts
        return type("Reply", (), {"value": [0.01 if rate <= self.limit else 10.0] * queries})


@given(limit=st.floats(1.0, 999.0))
def test_the_search_ends_below_the_limit_and_within_its_last_step(limit):
    server = search_max_rate(Queue(limit), size=8, texts=100, offline=1000.0, bound=0.1, steps=6, seconds=1.0)
    best = server.best or 0.0
    assert best <= limit
    assert limit - best <= 1000.0 / 2**6
    assert [rate.offered for rate in server.rates if rate.kept_up][-1:] == ([best] if best else [])


def test_a_rate_is_offered_to_a_hundred_texts_at_least_and_a_system_that_keeps_none_has_no_best():
    process = Queue(0.0)
    server = search_max_rate(process, size=8, texts=30, offline=10.0, bound=0.1, steps=3, seconds=0.1)
    assert server.best is None
    assert process.max_texts == 30  # of 30 texts none may be asked twice in one call
    assert all(queries == 100 for _, queries in process.asked)
    assert all(isinstance(rate, Rate) and rate.queries == 100 for rate in server.rates)
