"""two sets of logits of one task -> which answers differ, and by what margin the first side had decided."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.inference.decode import compute_probabilities

__all__ = ["changed_answers", "decision_margins"]

Logits = NDArray[np.float32]
Side = tuple[TaskSpec, Logits]  # each side has its own temperature and thresholds


def changed_answers(before: Side, after: Side) -> NDArray[np.bool_]:
    """Whether each of N answers differs, (N,); a number has no decision that could, and never does."""
    return _CHANGED[before[0].kind](before, after)


def decision_margins(task: TaskSpec, logits: Logits) -> NDArray[np.float64]:
    """By how much each of N answers was decided, in logits, (N,); zeros for a regression."""
    return _MARGIN[task.kind](task, logits)


def _other_label(before: Side, after: Side) -> NDArray[np.bool_]:
    return np.asarray(before[1].argmax(axis=1) != after[1].argmax(axis=1))


def _other_label_set(before: Side, after: Side) -> NDArray[np.bool_]:
    given = [compute_probabilities(task, logits) >= np.array(task.thresholds) for task, logits in (before, after)]
    return np.asarray((given[0] != given[1]).any(axis=1))


def _never(before: Side, _after: Side) -> NDArray[np.bool_]:
    return np.zeros(len(before[1]), dtype=np.bool_)


def _top_two(_task: TaskSpec, logits: Logits) -> NDArray[np.float64]:
    ordered = np.sort(logits.astype(np.float64), axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _to_threshold(task: TaskSpec, logits: Logits) -> NDArray[np.float64]:
    """Distance of the nearest logit to its threshold's logit."""
    bars = np.clip(np.array(task.thresholds), 1e-12, 1 - 1e-12)
    return np.asarray(np.abs(logits - task.temperature * np.log(bars / (1 - bars))).min(axis=1))


def _no_margin(_task: TaskSpec, logits: Logits) -> NDArray[np.float64]:
    return np.zeros(len(logits))


_CHANGED: Mapping[Kind, Callable[[Side, Side], NDArray[np.bool_]]] = {
    "single_label": _other_label,
    "multi_label": _other_label_set,
    "regression": _never,
}
_MARGIN: Mapping[Kind, Callable[[TaskSpec, Logits], NDArray[np.float64]]] = {
    "single_label": _top_two,
    "multi_label": _to_threshold,
    "regression": _no_margin,
}
