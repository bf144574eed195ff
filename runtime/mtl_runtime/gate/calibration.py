"""validation logits + labels -> temperature and thresholds of a task; probabilities + labels -> calibration error."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.metrics import best_thresholds
from mtl_runtime.dataset.targets import Targets, encode_labels, has_label
from mtl_runtime.evidence.schema import Bin
from mtl_runtime.inference.decode import compute_probabilities

__all__ = ["calibrate", "calibrate_tasks", "calibration_error", "encode_targets", "reliability_bins"]

# Fewer labelled rows would be fitted themselves, not the model.
_LEAST_ROWS = 30
# Where every answer is right, the best temperature is 0; this range keeps it finite.
_COLDEST, _HOTTEST = 0.1, 10.0
_STEPS = 60  # halvings of the range on a log scale, far below float precision
_BINS = 10


def encode_targets(task: TaskSpec, examples: Sequence[Example]) -> Targets | None:
    """The examples' labels of ``task`` as numbers; None where no example has one."""
    labels = [example.labels.get(task.name) for example in examples]
    return encode_labels(task, labels) if any(label is not None for label in labels) else None


def calibrate_tasks(
    tasks: Sequence[TaskSpec], logits: Mapping[str, NDArray[np.float32]], examples: Sequence[Example]
) -> tuple[TaskSpec, ...]:
    """Each task as :func:`calibrate` fits it to its logits of these examples, by task (N, width)."""
    targets = {task.name: encode_targets(task, examples) for task in tasks}
    return tuple(
        task if (known := targets[task.name]) is None else calibrate(task, logits[task.name], known) for task in tasks
    )


def calibrate(task: TaskSpec, logits: NDArray[np.float32], targets: Targets) -> TaskSpec:
    """The task with the temperature, and for multi_label the thresholds, that fit these rows.

    The temperature T minimizes the negative log-likelihood of softmax(logits / T), or of the sigmoid per label,
    after C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    A regression, or a task with fewer than 30 labelled rows, stays as it is.

    Args:
        task: kind and labels.
        logits: float32 (N, width).
        targets: (N,) or (N, labels), see :mod:`mtl_runtime.dataset.targets`.
    """
    rows = has_label(targets) & np.isfinite(logits).all(axis=1)
    if task.kind == "regression" or rows.sum() < _LEAST_ROWS:
        return task
    warmed = dataclasses.replace(task, temperature=_temperature(task, logits[rows], targets[rows]))
    if task.kind == "single_label":
        return warmed
    return dataclasses.replace(warmed, thresholds=best_thresholds(warmed, targets[rows], logits[rows]))


def reliability_bins(task: TaskSpec, logits: NDArray[np.float32], targets: Targets) -> tuple[Bin, ...]:
    """Ten bins of equal width over the probability of the answers given, at the task's temperature.

    single_label: one answer per row, its probability. multi_label: every cell, the probability of its label.
    Empty for a regression, or without labels.
    """
    rows = has_label(targets)
    if task.kind == "regression" or not rows.any():
        return ()
    scores, hits = _answers(task, logits[rows], targets[rows])
    index = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    return tuple(_bin(scores[index == number], hits[index == number]) for number in range(_BINS))


def calibration_error(bins: tuple[Bin, ...]) -> float | None:
    """Expected calibration error, after Guo et al. 2017: mean |confidence - accuracy|, weighted by rows."""
    rows = sum(bar.rows for bar in bins)
    if not rows:
        return None
    return sum(bar.rows * abs(bar.confidence - bar.accuracy) for bar in bins) / rows


def _answers(
    task: TaskSpec, logits: NDArray[np.float32], targets: Targets
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probability of each answer, and whether it is right, both flat."""
    scores = compute_probabilities(task, logits)
    if task.kind == "multi_label":
        return scores.ravel(), np.asarray(targets == 1).ravel()
    best = logits.argmax(axis=1)
    return scores[np.arange(len(scores)), best], np.asarray(best == targets)


def _bin(scores: NDArray[np.float64], hits: NDArray[np.bool_]) -> Bin:
    if not len(scores):
        return Bin(rows=0, confidence=0.0, accuracy=0.0)
    return Bin(rows=len(scores), confidence=float(scores.mean()), accuracy=float(hits.mean()))


def _temperature(task: TaskSpec, logits: NDArray[np.float32], targets: Targets) -> float:
    """Where the slope of the likelihood changes its sign: it is convex in 1 / T, so that this happens once."""
    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        too_hot = _slope(dataclasses.replace(task, temperature=float(np.exp(middle))), logits, targets) < 0
        low, high = (low, middle) if too_hot else (middle, high)
    return float(np.round(np.exp((low + high) / 2), 6))


def _slope(task: TaskSpec, logits: NDArray[np.float32], targets: Targets) -> float:
    """Derivative of the negative log-likelihood by 1 / T: the logits' mean under the model, less the truth's."""
    truth = targets if task.kind == "multi_label" else np.eye(task.width)[targets.astype(np.int64)]
    return float(((compute_probabilities(task, logits) - truth) * logits).sum())
