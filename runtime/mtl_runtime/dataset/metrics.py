"""targets + logits -> metrics by task: accuracy, macro-F1, confusion; for a regression, errors and correlation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.core import records
from mtl_runtime.dataset.confusion import Confusion
from mtl_runtime.dataset.targets import Targets, has_label
from mtl_runtime.inference.decode import compute_probabilities

__all__ = [
    "HEADLINE",
    "LabelResult",
    "TaskMetrics",
    "best_thresholds",
    "f1_by_label",
    "label_indicators",
    "pearson",
    "score",
    "task_metrics",
]

# The metric that represents a task in a single number.
HEADLINE: Mapping[Kind, str] = {
    "single_label": "macro_f1",
    "multi_label": "macro_f1",
    "regression": "pearson",
}

# A threshold of 0.5 counts as much as so many positive rows (ADR 13).
_PRIOR_ROWS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelResult:
    """How often one label applies, is given, and both."""

    rows: int
    predicted: int
    correct: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMetrics:
    """Metrics of one task over ``rows`` labelled rows."""

    rows: int
    values: Mapping[str, float]  # fractions of 1, except errors of a regression (in its own unit)
    confusion: Confusion | None = None  # single_label
    labels: tuple[LabelResult, ...] = ()  # multi_label: in the order of the logits

    @staticmethod
    def upgrade(data: Any) -> Any:
        """Earlier versions wrote the whole confusion matrix, and the accuracy of the majority among the values."""
        if not isinstance(data, Mapping):
            return data
        values, matrix = data.get("values"), data.get("confusion")
        if isinstance(values, Mapping):
            data = {**data, "values": {name: value for name, value in values.items() if name != "majority"}}
        if isinstance(matrix, list) and all(isinstance(row, list) for row in matrix):
            data = {**data, "confusion": records.to_dict(Confusion.from_matrix(matrix)) if matrix else None}
        return data

    @property
    def by_label(self) -> tuple[LabelResult, ...]:
        """One for each label, in the order of the logits; empty for a regression."""
        if self.confusion is None:
            return self.labels
        counts = [[0, 0, 0] for _ in range(self.confusion.size)]
        for pair in self.confusion.pairs:
            counts[pair.true][0] += pair.rows
            counts[pair.predicted][1] += pair.rows
            counts[pair.true][2] += pair.rows if pair.true == pair.predicted else 0
        return tuple(LabelResult(rows=rows, predicted=given, correct=right) for rows, given, right in counts)

    @property
    def majority_accuracy(self) -> float | None:
        """Accuracy of always giving the label that most of these very rows have; None: not a single_label task."""
        if self.confusion is None:
            return None
        return _ratio(max(label.rows for label in self.by_label), self.rows)


def task_metrics(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> TaskMetrics:
    """Compute the metrics of one task; rows without a label do not count.

    single_label: accuracy, macro_f1.
    multi_label: accuracy (of whole label sets), macro_f1, micro_f1, at the task's thresholds.
    regression: mse, mae, pearson (0 where a side is constant).

    Args:
        task: labels and thresholds.
        targets: (N,) or (N, labels), see :mod:`mtl_runtime.dataset.targets`.
        logits: float32 (N, width).
    """
    rows = has_label(targets)
    return _METRICS[task.kind](task, targets[rows], logits[rows])


def score(tasks: Mapping[str, TaskMetrics], kinds: Mapping[str, Kind]) -> float:
    """Average the headline metrics of all tasks with labelled rows: the best checkpoint has the highest score."""
    values = [metrics.values[HEADLINE[kinds[name]]] for name, metrics in tasks.items() if metrics.rows]
    return float(np.mean(values)) if values else 0.0


def best_thresholds(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> tuple[float, ...]:
    """Find, for each label of a multi_label task, the probability threshold with the best F1, shrunk towards 0.5.

    On these rows the best one lies midway between two neighbouring logits; of equally good ones, the nearest to 0.5 is
    used. With n positive rows, or n negative ones where these are fewer, its logit is multiplied by n / (n + 10): what
    three positive rows say of a threshold is noise. A label without a positive row keeps 0.5. In logits, shrinking
    gives the same decisions at every temperature.
    """
    rows = has_label(targets)
    scores, truth = logits[rows].astype(np.float64), targets[rows] == 1
    bars = [_shrunk_bar(scores[:, label], truth[:, label]) for label in range(task.width)]
    return tuple((1 / (1 + np.exp(-np.array(bars) / task.temperature))).tolist())


def _shrunk_bar(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    fewer = float(min(truth.sum(), (~truth).sum()))
    return _best_bar(scores, truth) * fewer / (fewer + _PRIOR_ROWS)


def _best_bar(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The logit from which on a label is given, with the best F1 on exactly these rows."""
    if not truth.any():
        return 0.0
    values = np.unique(scores)
    # Below all of them lies what gives the label to every row; above all of them no row would get it.
    candidates = np.array([*(values[1:] + values[:-1]) / 2, 2 * min(values[0], 0.0), 0.0])
    order = np.argsort(scores)
    hits_from = np.append(np.cumsum(truth[order][::-1])[::-1], 0)  # true rows at or above each position
    position = np.searchsorted(scores[order], candidates, side="left")
    true_positives = hits_from[position]
    f1 = 2 * true_positives / (len(scores) - position + truth.sum())
    best = candidates[f1 >= f1.max() - 1e-12]
    return float(best[np.argmin(np.abs(best))])


def f1_by_label(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> dict[str, float]:
    """Compute F1 for each label that occurs in the truth or in the predictions; empty for a regression."""
    if task.kind == "regression":
        return {}
    rows = has_label(targets)
    truth, predicted = label_indicators(task, targets[rows], logits[rows])
    hits, support, predictions = _count_by_label(truth, predicted)
    return {
        label: float(2 * hits[index] / (support[index] + predictions[index]))
        for index, label in enumerate(task.labels)
        if support[index] + predictions[index]
    }


def label_indicators(
    task: TaskSpec, targets: Targets, logits: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which labels apply and which are predicted, each bool (N, labels)."""
    if task.kind == "multi_label":
        return targets == 1, compute_probabilities(task, logits) >= np.array(task.thresholds)
    labels = np.arange(task.width)
    return targets[:, None] == labels, logits.argmax(axis=1)[:, None] == labels


def _count_by_label(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Correct predictions, true rows and predictions by label."""
    return (predicted & truth).sum(axis=0), truth.sum(axis=0), predicted.sum(axis=0)


def _single_label(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> TaskMetrics:
    true, predicted = targets.astype(np.int64), logits.argmax(axis=1)
    hits = np.bincount(true[true == predicted], minlength=task.width)
    support, predictions = (np.bincount(labels, minlength=task.width) for labels in (true, predicted))
    values = {
        "accuracy": _ratio(hits.sum(), len(true)),
        "macro_f1": _macro_f1(hits, support, predictions),
    }
    return TaskMetrics(rows=len(true), values=values, confusion=Confusion.count(true, predicted, task.width))


def _multi_label(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> TaskMetrics:
    truth, predicted = label_indicators(task, targets, logits)
    hits, support, predictions = _count_by_label(truth, predicted)
    values = {
        "accuracy": _ratio((predicted == truth).all(axis=1).sum(), len(targets)),
        "macro_f1": _macro_f1(hits, support, predictions),
        "micro_f1": _ratio(2 * hits.sum(), support.sum() + predictions.sum()),
    }
    counts = zip(support.tolist(), predictions.tolist(), hits.tolist(), strict=True)
    labels = tuple(LabelResult(rows=rows, predicted=given, correct=right) for rows, given, right in counts)
    return TaskMetrics(rows=len(targets), values=values, labels=labels)


def _regression(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> TaskMetrics:
    truth, predicted = targets.astype(np.float64), compute_probabilities(task, logits)[:, 0]
    error = predicted - truth
    values = {
        "mse": float(np.mean(error**2)) if len(error) else 0.0,
        "mae": float(np.mean(np.abs(error))) if len(error) else 0.0,
        "pearson": pearson(truth, predicted),
    }
    return TaskMetrics(rows=len(targets), values=values)


def _macro_f1(hits: NDArray[np.int64], support: NDArray[np.int64], predictions: NDArray[np.int64]) -> float:
    """Average F1 over the classes that occur in the truth or in the predictions; a class in neither has no F1."""
    occurs = support + predictions > 0
    if not occurs.any():
        return 0.0
    return float(np.mean(2 * hits[occurs] / (support + predictions)[occurs]))


def pearson(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Correlation of two series (N,); 0 where one is constant or has fewer than two values."""
    if len(a) < 2 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0


_METRICS: Mapping[Kind, Callable[[TaskSpec, Targets, NDArray[np.float32]], TaskMetrics]] = {
    "single_label": _single_label,
    "multi_label": _multi_label,
    "regression": _regression,
}
