"""SystemDriver + texts -> Worker: the scenarios that a system's process can run."""

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mtl_bench.worker.memory import peak_bytes, resident_bytes
from mtl_bench.worker.open_loop import draw_arrivals, run_open_loop
from mtl_bench.worker.serve import Worker
from mtl_bench.worker.system import Labels, SystemDriver

__all__ = ["prepare"]

_RUNS = ("warm_up", "offline", "kernel", "labels", "single_stream", "server", "soak", "memory")


def prepare(*, driver: str, settings: Mapping[str, Any], texts: Sequence[str]) -> Worker:
    """Open the system, and report its facts.

    Args:
        driver: ``module:function``, which takes ``settings`` and returns a :class:`SystemDriver`.
        settings: JSON.
        texts: that it will answer.
    """
    start = time.perf_counter()
    module, _, function = driver.partition(":")
    system: SystemDriver = getattr(importlib.import_module(module), function)(**settings)
    seconds = time.perf_counter() - start
    facts = {
        "load_seconds": seconds,
        "loaded_bytes": resident_bytes(),
        "unit": system.unit,
        "sizes": list(system.sizes),
        "usual": system.usual,
        "separable": system.kernel is not None,
        "facts": dict(system.facts),
    }
    scenarios = _Scenarios(system, texts)
    runs: dict[str, Callable[..., Any]] = {name: getattr(scenarios, name) for name in _RUNS}
    return Worker(runs, facts)


@dataclass
class _Scenarios:
    """An open system with its texts; each method is a run."""

    system: SystemDriver
    texts: Sequence[str]
    kernels: dict[int | None, Callable[[], Any]] = field(default_factory=dict)

    def warm_up(self, size: int | None, count: int | None = None) -> None:
        for _ in range(self.system.warm_up):
            self.system.answer(self.texts[:count], size)

    def offline(self, size: int | None, count: int | None = None) -> float:
        """Seconds for the first ``count`` texts; None: for all."""
        texts = self.texts[:count]
        start = time.perf_counter()
        self.system.answer(texts, size)
        return time.perf_counter() - start

    def kernel(self, size: int | None) -> float:
        """Seconds of the same batches in the model alone; they are made before the clock runs."""
        assert self.system.kernel is not None  # noqa: S101 - the facts say whether there is one
        if size not in self.kernels:
            self.kernels[size] = self.system.kernel(self.texts, size)
        start = time.perf_counter()
        self.kernels[size]()
        return time.perf_counter() - start

    def labels(self, size: int | None, texts: Sequence[str]) -> Labels:
        return {task: list(labels) for task, labels in self.system.answer(texts, size).items()}

    def single_stream(self, count: int, first: int = 0) -> list[float]:
        """Seconds of each of ``count`` texts, one after another, from text ``first`` on."""
        seconds = []
        for number in range(first, first + count):
            text = [self.texts[number % len(self.texts)]]
            start = time.perf_counter()
            self.system.answer(text, None)
            seconds.append(time.perf_counter() - start)
        return seconds

    def server(self, rate: float, queries: int, size: int | None, max_texts: int, seed: int) -> list[float]:
        """Seconds from when each text was due to its answer; up to ``max_texts`` that wait are answered in one call."""
        return run_open_loop(
            lambda numbers: self.system.answer([self.texts[number % len(self.texts)] for number in numbers], size),
            draw_arrivals(rate, queries, seed),
            max_texts=max_texts,
            threads=self.system.concurrency,
        )

    def soak(self, calls: int, size: int | None = None) -> dict[str, int]:
        """Resident memory after the first fifth of so many calls of 1 to 4 texts, and after all of them."""
        early = 0
        for number in range(calls):
            start = (number * 7) % len(self.texts)
            self.system.answer(self.texts[start : start + 1 + number % 4], size)
            if number == calls // 5:
                early = resident_bytes()
        return {"early": early, "resident": resident_bytes()}

    def memory(self) -> dict[str, int]:
        return {"resident": resident_bytes(), "peak": peak_bytes()}
