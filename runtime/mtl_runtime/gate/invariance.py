"""classifier + texts -> what changes in its answers when only batching, padding, order or threads change."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import logits_output
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.evidence.schema import StabilityCheck
from mtl_runtime.gate.agreement import TaskOutputs, measure_agreement
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.inference.executor import Cancelled
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["check_invariance"]

_log = logging.getLogger(__name__)

_SEED = 0
_THREADS = 4
# Sentences of the padded pass: each takes as long as the longest text that the encoder reads.
_PADDED_SENTENCES = 64

Logits = dict[str, NDArray[np.float32]]  # by task, (N, width)


@dataclass(frozen=True, slots=True)
class _Batching:
    """One way to cut N texts into batches."""

    name: str
    size: int
    shuffled: bool = False
    padded: bool = False  # to the longest text that the encoder reads
    threads: int = 1


_ALONE = _Batching("alone", 1)
_PADDED = _Batching("padded to max_length", 1, padded=True)
# They run next to each other, the one that takes longest first.
_SIDE_BY_SIDE = (_PADDED, _Batching("batches of 32, shuffled", 32, shuffled=True), _Batching("batches of 7", 7))
# The repetition and the threads share a pass: an answer that changes by either counts.
_THREADED = _Batching(f"alone once more, {_THREADS} threads at once", 1, threads=_THREADS)


def check_invariance(
    classifier: Classifier, texts: Sequence[str], *, tie: Callable[[str], float]
) -> tuple[StabilityCheck, ...]:
    """Answer ``texts`` one by one, then in other batches, and count the answers that differ.

    The first pass and the one with threads run with nothing next to them. Of the others as many run at a time as the
    classifier runs batches at a time; the padded one answers a sample.

    Args:
        classifier: of one variant.
        texts: any sentences; mixed lengths show most.
        tie: a task's name -> margin up to which a decision counts as a tie, in logits.
    """
    tokens, stop = classifier.tokenize(texts), threading.Event()
    rows = {_PADDED: evenly_spaced(range(len(texts)), _PADDED_SENTENCES)}
    everything = list(range(len(texts)))

    def answer(batching: _Batching) -> Logits:
        return _answer(classifier, [tokens[row] for row in rows.get(batching, everything)], batching, stop)

    alone = answer(_ALONE)
    with ThreadPoolExecutor(classifier.info.workers) as pool:
        passes = {batching: pool.submit(answer, batching) for batching in _SIDE_BY_SIDE}
        try:
            wait(passes.values(), return_when=FIRST_EXCEPTION)
            others = {batching: each.result() for batching, each in passes.items() if each.done()}
        except BaseException:
            stop.set()  # whoever interrupts does not wait for passes under way
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    others[_THREADED] = answer(_THREADED)
    return tuple(
        _compare(batching.name, classifier, texts, rows.get(batching, everything), (alone, other), tie)
        for batching, other in others.items()
    )


def _compare(
    name: str,
    classifier: Classifier,
    texts: Sequence[str],
    rows: Sequence[int],
    logits: tuple[Logits, Logits],
    tie: Callable[[str], float],
) -> StabilityCheck:
    texts = [texts[row] for row in rows]
    alone, other = {task: every[rows] for task, every in logits[0].items()}, logits[1]
    tasks = {
        task.name: measure_agreement(
            texts, TaskOutputs(task, alone[task.name]), TaskOutputs(task, other[task.name]), None, tie=tie(task.name)
        )
        for task in classifier.specs
    }
    moved = sum(_count_moved(alone[task], other[task], tie(task)) for task in tasks if tasks[task].kind == "regression")
    return StabilityCheck(
        name=name,
        sentences=len(texts),
        flips=moved + sum(task.flips for task in tasks.values()),
        flips_outside_ties=moved + sum(task.flips_outside_ties for task in tasks.values()),
        max_logit_difference=max(task.max_logit_difference for task in tasks.values()),
    )


def _count_moved(alone: NDArray[np.float32], other: NDArray[np.float32], tie: float) -> int:
    """A number has no decision to flip: it counts where it moves by more than rounding would."""
    scale = max(1.0, float(np.abs(alone).max(initial=0.0)))
    return int((np.abs(alone - other) > tie * scale).sum())


def _answer(
    classifier: Classifier, texts: Sequence[TokenizedText], batching: _Batching, stop: threading.Event
) -> Logits:
    _log.debug("%s: %s", classifier.info.variant, batching.name)
    tasks, encoder = classifier.specs, classifier.encoder
    results = {task.name: np.empty((len(texts), task.width), np.float32) for task in tasks}
    outputs = [logits_output(task.name) for task in tasks]
    width = encoder.max_length if batching.padded else None

    def run(indices: NDArray[np.intp]) -> None:
        if stop.is_set():
            raise Cancelled
        batch = Batch.of([texts[index] for index in indices], pad_id=encoder.pad_id, width=width)
        for task, rows in zip(tasks, classifier.run_batch(batch, outputs), strict=True):
            results[task.name][indices] = rows

    with ThreadPoolExecutor(batching.threads) as pool:
        for _ in pool.map(run, _batches(len(texts), batching)):
            pass
    return results


def _batches(count: int, batching: _Batching) -> list[NDArray[np.intp]]:
    order = np.arange(count)
    if batching.shuffled:
        np.random.default_rng(_SEED).shuffle(order)
    return [order[start : start + batching.size] for start in range(0, count, batching.size)]
