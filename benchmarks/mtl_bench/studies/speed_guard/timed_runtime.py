"""bundle + texts -> Worker: what is timed of a runtime, whichever commit it is of.

It runs in a process whose ``mtl_runtime`` may be years older than this module, so that it uses only what a program
of users does, and the classifier's field ``run_batch``.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mtl_runtime
from mtl_bench.worker.serve import Worker

__all__ = ["SHORT_TEXT", "prepare"]

SHORT_TEXT = "The battery died after two days."
_CALLS = 200  # of one short text, in a run

RunBatch = Callable[[Any, Sequence[str]], Any]


def prepare(*, bundle: str, texts: Sequence[str], slowdown: float = 0.0) -> Worker:
    """The classifier that ``load`` gives, whole and in parts.

    Args:
        bundle: folder.
        texts: that a pass answers.
        slowdown: share of a batch's time by which it is made to take longer, to see whether the guard finds it.
    """
    classifier = mtl_runtime.load(bundle)
    if slowdown:
        classifier = _with(classifier, _slowed(classifier.run_batch, slowdown))
    batches = _batches(classifier, texts)
    run_batch, pool = classifier.run_batch, ThreadPoolExecutor(classifier.info.workers)
    without_model = _with(classifier, _replayed(run_batch))

    def pipeline() -> None:
        classifier(texts)

    def kernel_bound() -> None:
        for _ in pool.map(lambda batch: run_batch(*batch), batches):
            pass

    def overhead() -> None:
        for _ in range(_CALLS):
            without_model(SHORT_TEXT)

    runs = {"pipeline": pipeline, "kernel_bound": kernel_bound, "overhead": overhead}
    for run in runs.values():
        run()
    return Worker(runs, {"variant": classifier.info.variant, "runtime": mtl_runtime.__file__})


def _with(classifier: Any, run_batch: RunBatch) -> Any:
    return dataclasses.replace(classifier, run_batch=run_batch)


def _batches(classifier: Any, texts: Sequence[str]) -> list[tuple[Any, Sequence[str]]]:
    """What a call gives to the model, batch by batch."""
    seen: list[tuple[Any, Sequence[str]]] = []

    def record(batch: Any, outputs: Sequence[str]) -> Any:
        seen.append((batch, outputs))
        return classifier.run_batch(batch, outputs)

    _with(classifier, record)(texts)
    return seen


def _replayed(run_batch: RunBatch) -> RunBatch:
    """The model's answer to the first batch, again and again."""
    answer: list[Any] = []

    def replay(batch: Any, outputs: Sequence[str]) -> Any:
        if not answer:
            answer.append(run_batch(batch, outputs))
        return answer[0]

    return replay


def _slowed(run_batch: RunBatch, share: float) -> RunBatch:
    def run(batch: Any, outputs: Sequence[str]) -> Any:
        start = time.perf_counter()
        rows = run_batch(batch, outputs)
        time.sleep(share * (time.perf_counter() - start))
        return rows

    return run
