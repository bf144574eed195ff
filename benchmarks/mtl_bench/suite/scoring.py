"""a system's labels + cpu-fp32's + the true ones -> AnswerScores: how often it agrees, and how right it is."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mtl_bench.results.schema import AnswerScores
from mtl_bench.worker.system import Labels
from mtl_bench.workloads.workload import TrueLabels
from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.dataset.label_cells import Label

__all__ = ["agreement", "score"]

# A regression's values agree if they differ by at most this share of the reference's standard deviation.
_VALUE_TOLERANCE = 0.05

Answers = Sequence[Any]
Metric = Callable[[Answers, Sequence[Label]], Mapping[str, float]]


def score(tasks: Sequence[TaskSpec], labels: Labels, reference: Labels, truth: TrueLabels) -> AnswerScores:
    """Score the labels of one system.

    Args:
        tasks: of the bundle.
        labels: of the system, for each scored text.
        reference: labels of cpu-fp32.
        truth: true labels, of tasks that have some.
    """
    return AnswerScores(
        agreement={task.name: agreement(task.kind, labels[task.name], reference[task.name]) for task in tasks},
        metrics={
            task.name: _metrics(task.kind, labels[task.name], truth[task.name])
            for task in tasks
            if any(label is not None for label in truth.get(task.name, ()))
        },
    )


def agreement(kind: Kind, answers: Answers, reference: Answers) -> float:
    """Share of texts with the same answer; of a regression, with one that differs by no more than noise."""
    if kind == "regression":
        tolerance = _VALUE_TOLERANCE * float(np.std(reference))
        return float(np.mean(np.abs(np.subtract(answers, reference)) <= tolerance))
    pairs = zip(map(_label_set, answers), map(_label_set, reference), strict=True)
    return float(np.mean([a == b for a, b in pairs]))


def _metrics(kind: Kind, answers: Answers, truth: Sequence[Label | None]) -> Mapping[str, float]:
    pairs = [(answer, label) for answer, label in zip(answers, truth, strict=True) if label is not None]
    return _METRICS[kind]([answer for answer, _ in pairs], [label for _, label in pairs])


def _label_metrics(answers: Answers, truth: Sequence[Label]) -> Mapping[str, float]:
    """Accuracy of whole label sets, and the mean F1 of labels that occur in truth or answers."""
    pairs = [(_label_set(answer), _label_set(label)) for answer, label in zip(answers, truth, strict=True)]
    names = sorted(set().union(*(a | b for a, b in pairs)))
    return {
        "accuracy": float(np.mean([a == b for a, b in pairs])),
        "macro_f1": float(np.mean([_f1(pairs, name) for name in names])) if names else 0.0,
    }


def _f1(pairs: Sequence[tuple[frozenset[str], frozenset[str]]], name: str) -> float:
    both = sum(name in a and name in b for a, b in pairs)
    either = sum((name in a) + (name in b) for a, b in pairs)
    return 2 * both / either if either else 0.0


def _value_metrics(answers: Answers, truth: Sequence[Label]) -> Mapping[str, float]:
    """Mean absolute error, and Pearson's correlation (0 where a side is constant)."""
    predictions, values = np.asarray(answers, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    spread = float(predictions.std() * values.std())
    covariance = float(np.mean((predictions - predictions.mean()) * (values - values.mean())))
    return {
        "mae": float(np.mean(np.abs(predictions - values))),
        "pearson": covariance / spread if spread > 0 and math.isfinite(spread) else 0.0,
    }


def _label_set(label: Any) -> frozenset[str]:
    """A label, or several joined by "|" or in a tuple."""
    parts = label.split("|") if isinstance(label, str) else label
    return frozenset(part for part in parts if part)


_METRICS: Mapping[Kind, Metric] = {
    "single_label": _label_metrics,
    "multi_label": _label_metrics,
    "regression": _value_metrics,
}
