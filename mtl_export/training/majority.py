"""training data -> metrics of the best constant answer, which any model has to beat."""

from dataclasses import replace

import numpy as np

from mtl_export.training.training_data import TrainingData
from mtl_runtime.dataset.majority import majority_logits
from mtl_runtime.dataset.metrics import TaskMetrics, task_metrics
from mtl_runtime.dataset.targets import encode_labels

__all__ = ["measure_majority"]


def measure_majority(data: TrainingData) -> dict[str, TaskMetrics]:
    """Measure a constant answer on the validation rows, by task; it is determined on the training rows.

    See :func:`mtl_runtime.dataset.majority.majority_logits`; the mean of a regression is in the task's own unit.
    """
    metrics = {}
    for spec in data.specs:
        # Numbers are compared in the unit of the data files.
        task = replace(spec, standardization=None, thresholds=(0.5,) * len(spec.thresholds))
        train, validation = (
            encode_labels(task, [row.labels.get(task.name) for row in split.rows])
            for split in (data.train, data.validation)
        )
        answer = majority_logits(task, train)
        metrics[task.name] = task_metrics(task, validation, np.tile(answer, (len(validation), 1)))
    return metrics
