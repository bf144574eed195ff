"""validation logits + labels -> temperature and thresholds of a task; probabilities + labels -> calibration error."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.metrics import best_thresholds
from mtl_runtime.dataset.targets import Targets, encode_labels, has_label
from mtl_runtime.evidence.schema import Bin
from mtl_runtime.inference.decode import compute_probabilities

__all__ = [
    "FittedTasks",
    "RowCalibration",
    "calibrate",
    "calibrate_tasks",
    "calibration_error",
    "encode_targets",
    "reliability_bins",
]

# With fewer labelled rows a fit gains nothing that a reader could see, and its error is the largest.
_LEAST_ROWS = 30
# Standard deviation of log T before any row is seen: two of them are from T = 0.61 to T = 1.65 (ADR 13).
_PRIOR_DEVIATION = 0.25
_RANGE = math.log(10.0)  # of log T, on each side of 0
_STEPS = 24  # halvings of that range, to seven digits
_FOLDS = 5
_BINS = 10


@dataclass(frozen=True, slots=True)
class RowCalibration:
    """What judges each of N rows: the temperature and the thresholds of one task, fitted without that row."""

    temperatures: NDArray[np.float64]  # (N,)
    thresholds: NDArray[np.float64]  # (N, labels); without columns unless the task is multi_label

    def scale(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, width) whose probabilities at temperature 1 are those at the rows' own temperatures."""
        return np.asarray(logits / self.temperatures[:, None], np.float32)

    def shift(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scaled logits that exceed 0 exactly where a label's probability exceeds the row's own threshold."""
        bars = np.clip(self.thresholds, 1e-12, 1 - 1e-12)
        return np.asarray(logits / self.temperatures[:, None] - np.log(bars / (1 - bars)), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedTasks:
    """Tasks fitted on some sentences, and once more on four fifths of them, for each fifth."""

    tasks: tuple[TaskSpec, ...]  # fitted on all sentences
    fold_of: Mapping[str, int] = dataclasses.field(default_factory=dict)  # sentence -> its fifth
    by_fold: tuple[tuple[TaskSpec, ...], ...] = ()  # of each fifth: the tasks, fitted on the other four

    def judge_unseen(self, texts: Sequence[str]) -> dict[str, RowCalibration]:
        """For each of N texts what was fitted without it, by task; a text that no fit has seen gets the final fit."""
        folds = np.array([self.fold_of.get(text, len(self.by_fold)) for text in texts], dtype=np.intp)
        fits = (*self.by_fold, self.tasks)
        return {
            task.name: RowCalibration(
                np.array([fit[index].temperature for fit in fits])[folds],
                np.array([fit[index].thresholds for fit in fits])[folds],
            )
            for index, task in enumerate(self.tasks)
        }


def encode_targets(task: TaskSpec, examples: Sequence[Example]) -> Targets | None:
    """The examples' labels of ``task`` as numbers; None where no example has one."""
    labels = [example.labels.get(task.name) for example in examples]
    return encode_labels(task, labels) if any(label is not None for label in labels) else None


def calibrate_tasks(
    tasks: Sequence[TaskSpec], logits: Mapping[str, NDArray[np.float32]], examples: Sequence[Example]
) -> FittedTasks:
    """Fit each task as :func:`calibrate` does to its logits of these examples, by task (N, width).

    Equal texts share a fold, so that no row is judged by a fit that saw its copy.
    """
    targets = {task.name: encode_targets(task, examples) for task in tasks}
    numbers = {text: index for index, text in enumerate(dict.fromkeys(example.text for example in examples))}
    fold_of = {text: number % _FOLDS for text, number in numbers.items()}
    folds = np.array([fold_of[example.text] for example in examples], dtype=np.intp)

    def fit_without(fold: int | None) -> tuple[TaskSpec, ...]:
        return tuple(
            task if (known := targets[task.name]) is None else _fit(task, logits[task.name], known, folds == fold)
            for task in tasks
        )

    return FittedTasks(
        tasks=fit_without(None), fold_of=fold_of, by_fold=tuple(fit_without(fold) for fold in range(_FOLDS))
    )


def calibrate(task: TaskSpec, logits: NDArray[np.float32], targets: Targets) -> TaskSpec:
    """The task with the temperature, and for multi_label the thresholds, that fit these rows.

    The temperature T minimizes the negative log-likelihood of softmax(logits / T), or of the sigmoid per label,
    after C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, plus
    (log T)^2 / (2 * 0.25^2): the mode of its posterior under a log-normal prior around 1. The likelihood alone is best
    at T = 0 wherever all rows are answered correctly; the prior counts as much as a few dozen rows, so that T stays
    near 1 until the rows say otherwise. Thresholds are shrunk towards 0.5 in the same spirit, see
    :func:`mtl_runtime.dataset.metrics.best_thresholds`.
    A regression, or a task with fewer than 30 labelled rows, stays as it is.

    Args:
        task: kind and labels.
        logits: float32 (N, width).
        targets: (N,) or (N, labels), see :mod:`mtl_runtime.dataset.targets`.
    """
    return _fit(task, logits, targets, np.zeros(len(logits), dtype=np.bool_))


def _fit(task: TaskSpec, logits: NDArray[np.float32], targets: Targets, held_out: NDArray[np.bool_] | bool) -> TaskSpec:
    """Fit to the rows that are not held out; whether there are enough of them is asked of all rows."""
    usable = has_label(targets) & np.isfinite(logits).all(axis=1)
    if task.kind == "regression" or usable.sum() < _LEAST_ROWS:
        return task
    rows = usable & ~np.asarray(held_out)
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
    """Where the posterior's slope changes its sign, found by halving."""
    low, high = -_RANGE, _RANGE
    for _ in range(_STEPS):
        middle = (low + high) / 2
        too_hot = _slope(task, middle, logits, targets) > 0
        low, high = (low, middle) if too_hot else (middle, high)
    return float(np.round(np.exp((low + high) / 2), 6))


def _slope(task: TaskSpec, log_t: float, logits: NDArray[np.float32], targets: Targets) -> float:
    """Derivative by log T of the negative log-likelihood and of the prior's penalty.

    By 1 / T the former's is the logits' mean under the model, less the truth's, and 1 / T falls by itself with log T.
    """
    truth = targets if task.kind == "multi_label" else np.eye(task.width)[targets.astype(np.int64)]
    warmed = dataclasses.replace(task, temperature=math.exp(log_t))
    by_inverse = float(((compute_probabilities(warmed, logits) - truth) * logits).sum())
    return -by_inverse / warmed.temperature + log_t / _PRIOR_DEVIATION**2
