"""Moments at which texts are due -> latencies, counted from those moments: no text waits for the one before it.

Counting from the moment at which a text was due, not from the moment at which a caller took it, keeps a slow system
from hiding its queue (G. Tene's "coordinated omission").
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

__all__ = ["draw_arrivals", "run_open_loop"]


def draw_arrivals(rate: float, count: int, seed: int) -> list[float]:
    """Seconds from the start at which each text is due: a Poisson process of ``rate`` texts a second."""
    generator = random.Random(seed)  # noqa: S311 - a seeded schedule, no secret
    return list(accumulate(generator.expovariate(rate) for _ in range(count)))


def run_open_loop(
    answer: Callable[[Sequence[int]], Any], due: Sequence[float], *, max_texts: int, threads: int = 1
) -> list[float]:
    """Let ``threads`` callers answer the texts, and return each text's seconds from when it was due to its answer.

    A free caller takes all texts that wait, ``max_texts`` at the most, in one call: batching as servers do it. Where no
    text waits, it waits for the next one.

    Args:
        answer: takes the numbers of the texts.
        due: seconds from the start, ascending.
        max_texts: in one call.
        threads: number of callers.

    Raises:
        Exception: the first that ``answer`` raised.
    """
    latencies = [0.0] * len(due)
    queue, failures = _Queue(due, max_texts), list[Exception]()

    def work() -> None:
        while not failures and (numbers := queue.take()):
            try:
                answer(numbers)
            except Exception as error:  # noqa: BLE001 - raised to the caller below
                failures.append(error)
                return
            end = time.perf_counter() - queue.start
            for number in numbers:
                latencies[number] = end - due[number]

    callers = [threading.Thread(target=work) for _ in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    if failures:
        raise failures[0]
    return latencies


class _Queue:
    """Texts in the order in which they are due."""

    def __init__(self, due: Sequence[float], max_texts: int) -> None:
        self._due, self._max_texts = due, max_texts
        self._next = 0
        self._lock = threading.Lock()
        self.start = time.perf_counter()

    def take(self) -> list[int]:
        """The numbers of all texts that wait, or, once it is due, of the next one; empty at the end."""
        with self._lock:  # whoever waits for the next text holds the queue, so that the others wait in line
            if self._next == len(self._due):
                return []
            wait = self._due[self._next] - (time.perf_counter() - self.start)
            if wait > 0:
                time.sleep(wait)
            now = time.perf_counter() - self.start
            first = self._next
            end = min(first + self._max_texts, len(self._due))
            self._next += 1
            while self._next < end and self._due[self._next] <= now:
                self._next += 1
            return list(range(first, self._next))
