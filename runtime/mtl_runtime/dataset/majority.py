"""task + targets -> logits of the best constant answer, which any model has to beat."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.dataset.targets import Targets, has_label

__all__ = ["majority_logits"]

_CERTAIN = 50.0  # a logit whose probability is 1 in float64, above every threshold


def majority_logits(task: TaskSpec, targets: Targets) -> NDArray[np.float32]:
    """Find the constant answer that the labelled rows of ``targets`` (N,) or (N, labels) have most; float32 (width,).

    single_label: the most frequent label, of equally frequent ones the first. multi_label: every label that occurs, the
    constant with the highest macro-F1, since a label that is never given has an F1 of 0. regression: the mean, the
    constant with the least squared error.

    Args:
        task: without a standardization, and with thresholds of less than 1.
        targets: at least one row has a label.
    """
    return _CONSTANT[task.kind](task, targets[has_label(targets)])


def _most_frequent(task: TaskSpec, targets: Targets) -> NDArray[np.float32]:
    counts = np.bincount(targets.astype(np.int64), minlength=task.width)
    return np.where(np.arange(task.width) == counts.argmax(), _CERTAIN, 0.0).astype(np.float32)


def _every_label(_task: TaskSpec, targets: Targets) -> NDArray[np.float32]:
    return np.where((targets == 1).any(axis=0), _CERTAIN, -_CERTAIN).astype(np.float32)


def _mean(_task: TaskSpec, targets: Targets) -> NDArray[np.float32]:
    return np.array([targets.astype(np.float64).mean()], dtype=np.float32)


# Task and targets of its labelled rows -> logits of the constant answer, (width,).
_CONSTANT: Mapping[Kind, Callable[[TaskSpec, Targets], NDArray[np.float32]]] = {
    "single_label": _most_frequent,
    "multi_label": _every_label,
    "regression": _mean,
}
