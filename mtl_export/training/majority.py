"""training data -> metrics of the best constant answer, which any model has to beat."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mtl_export.training.training_data import TrainingData
from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.dataset.metrics import TaskMetrics, task_metrics
from mtl_runtime.dataset.targets import Targets, encode_labels, has_label

__all__ = ["measure_majority"]

_CERTAIN = 50.0  # a logit whose probability is 1 in float64, above every threshold


def measure_majority(data: TrainingData) -> dict[str, TaskMetrics]:
    """Measure a constant answer on the validation rows, by task; it is determined on the training rows.

    single_label: the most frequent label, of equally frequent ones the first. multi_label: every label that occurs, the
    constant with the highest macro-F1, since a label that is never given has an F1 of 0. regression: the mean, the
    constant with the least squared error; in the task's own unit.
    """
    metrics = {}
    for spec in data.specs:
        # Numbers are compared in the unit of the data files.
        task = replace(spec, standardization=None, thresholds=(0.5,) * len(spec.thresholds))
        train, validation = (
            encode_labels(task, [row.labels.get(task.name) for row in split.rows])
            for split in (data.train, data.validation)
        )
        answer = _CONSTANT[task.kind](task, train[has_label(train)])
        metrics[task.name] = task_metrics(task, validation, np.tile(answer, (len(validation), 1)))
    return metrics


def _most_frequent(task: TaskSpec, targets: Targets) -> NDArray[np.float32]:
    counts = np.bincount(targets.astype(np.int64), minlength=task.width)
    return np.where(np.arange(task.width) == counts.argmax(), _CERTAIN, 0.0).astype(np.float32)


def _every_label(_task: TaskSpec, targets: Targets) -> NDArray[np.float32]:
    return np.where((targets == 1).any(axis=0), _CERTAIN, -_CERTAIN).astype(np.float32)


def _mean(_task: TaskSpec, targets: Targets) -> NDArray[np.float32]:
    return np.array([targets.astype(np.float64).mean()], dtype=np.float32)


# Task and targets of its labelled training rows -> logits of the constant answer, (width,).
_CONSTANT: Mapping[Kind, Callable[[TaskSpec, Targets], NDArray[np.float32]]] = {
    "single_label": _most_frequent,
    "multi_label": _every_label,
    "regression": _mean,
}
