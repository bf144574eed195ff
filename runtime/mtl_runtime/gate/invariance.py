"""classifier + texts -> what changes in its answers when only batching, padding, order or threads change."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import logits_output
from mtl_runtime.evidence.schema import StabilityCheck
from mtl_runtime.gate.agreement import TaskOutputs, measure_agreement
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["check_invariance"]

_SEED = 0
_THREADS = 4

Logits = dict[str, NDArray[np.float32]]  # by task, (N, width)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to cut N texts into batches."""

    name: str
    size: int
    shuffled: bool = False
    padded: bool = False  # to the longest text that the encoder reads
    threads: int = 1


_ALONE = _Way("alone", 1)
_WAYS = (
    _Way("alone once more", 1),
    _Way("batches of 7", 7),
    _Way("batches of 32, shuffled", 32, shuffled=True),
    _Way("padded to max_length", 1, padded=True),
    _Way(f"{_THREADS} threads at once", 1, threads=_THREADS),
)


def check_invariance(
    classifier: Classifier,
    texts: Sequence[str],
    *,
    tie: Callable[[str], float],
    report: Callable[[str], None] = lambda _: None,
) -> tuple[StabilityCheck, ...]:
    """Answer ``texts`` one by one, then in other ways, and count the answers that differ.

    Args:
        classifier: of one variant.
        texts: any sentences; mixed lengths show most.
        tie: a task's name -> margin up to which a decision counts as a tie, in logits.
        report: is told each way.
    """
    tokens = classifier.tokenize(texts)
    alone = _answers(classifier, tokens, _ALONE)
    checks = []
    for way in _WAYS:
        report(f"{classifier.info.variant}: {way.name}")
        checks.append(_check(way.name, classifier, texts, (alone, _answers(classifier, tokens, way)), tie))
    return tuple(checks)


def _check(
    name: str,
    classifier: Classifier,
    texts: Sequence[str],
    both: tuple[Logits, Logits],
    tie: Callable[[str], float],
) -> StabilityCheck:
    alone, other = both
    tasks = {
        task.name: measure_agreement(
            texts, TaskOutputs(task, alone[task.name]), TaskOutputs(task, other[task.name]), None, tie=tie(task.name)
        )
        for task in classifier.manifest.tasks
    }
    moved = sum(_moved(alone[task], other[task], tie(task)) for task in tasks if tasks[task].kind == "regression")
    return StabilityCheck(
        name=name,
        sentences=len(texts),
        flips=moved + sum(task.flips for task in tasks.values()),
        flips_outside_ties=moved + sum(task.flips_outside_ties for task in tasks.values()),
        max_logit_difference=max(task.max_logit_difference for task in tasks.values()),
    )


def _moved(one: NDArray[np.float32], other: NDArray[np.float32], tie: float) -> int:
    """A number has no decision to flip: it counts where it moves by more than rounding would."""
    scale = max(1.0, float(np.abs(one).max(initial=0.0)))
    return int((np.abs(one - other) > tie * scale).sum())


def _answers(classifier: Classifier, texts: Sequence[TokenizedText], way: _Way) -> Logits:
    tasks = classifier.manifest.tasks
    results = {task.name: np.empty((len(texts), task.width), np.float32) for task in tasks}
    outputs = [logits_output(task.name) for task in tasks]
    encoder = classifier.manifest.encoder
    width = encoder.max_length if way.padded else None

    def run(indices: NDArray[np.intp]) -> None:
        batch = Batch.of([texts[index] for index in indices], pad_id=encoder.pad_id, width=width)
        for task, rows in zip(tasks, classifier.run(batch, outputs), strict=True):
            results[task.name][indices] = rows

    with ThreadPoolExecutor(way.threads) as pool:
        for _ in pool.map(run, _batches(len(texts), way)):
            pass
    return results


def _batches(count: int, way: _Way) -> list[NDArray[np.intp]]:
    order = np.arange(count)
    if way.shuffled:
        np.random.default_rng(_SEED).shuffle(order)
    return [order[start : start + way.size] for start in range(0, count, way.size)]
