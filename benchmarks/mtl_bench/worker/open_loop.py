"""moments at which texts are due -> latencies, counted from those moments: no caller waits for the one before.

Counting from the moment a text was due, not from that at which somebody got round to it, is what keeps a slow system
from hiding its queue (G. Tene's "coordinated omission").
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

__all__ = ["arrivals", "open_loop"]


def arrivals(rate: float, count: int, seed: int) -> list[float]:
    """Seconds from the start at which each text is due: a Poisson process of ``rate`` texts a second."""
    generator = random.Random(seed)  # noqa: S311 - a seeded schedule, no secret
    return list(accumulate(generator.expovariate(rate) for _ in range(count)))


def open_loop(
    answer: Callable[[Sequence[int]], Any], due: Sequence[float], *, most: int, threads: int = 1
) -> list[float]:
    """Let ``threads`` callers answer what is due, and return each text's seconds from when it was due to its answer.

    A free caller takes all texts that wait, ``most`` at the most, in one call: batching as servers do it. Where none
    waits, it takes the next one at its moment.

    Args:
        answer: is told the numbers of the texts.
        due: seconds from the start, ascending.
        most: texts in one call.
        threads: callers.

    Raises:
        Exception: what ``answer`` raised first.
    """
    latencies = [0.0] * len(due)
    queue, failures = _Queue(due, most), list[Exception]()

    def work() -> None:
        while not failures and (taken := queue.take()):
            try:
                answer(taken)
            except Exception as error:  # noqa: BLE001 - handed to the caller below
                failures.append(error)
                return
            done = time.perf_counter() - queue.start
            for number in taken:
                latencies[number] = done - due[number]

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

    def __init__(self, due: Sequence[float], most: int) -> None:
        self._due, self._most = due, most
        self._next = 0
        self._lock = threading.Lock()
        self.start = time.perf_counter()

    def take(self) -> list[int]:
        """The numbers of what waits, or, once it is due, of the next one; empty: all are taken."""
        with self._lock:  # who waits for the next text holds the queue, so that others wait behind
            if self._next == len(self._due):
                return []
            wait = self._due[self._next] - (time.perf_counter() - self.start)
            if wait > 0:
                time.sleep(wait)
            now = time.perf_counter() - self.start
            first = self._next
            self._next += 1
            while self._next < len(self._due) and self._next - first < self._most and self._due[self._next] <= now:
                self._next += 1
            return list(range(first, self._next))
