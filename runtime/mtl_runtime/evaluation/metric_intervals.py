"""targets + logits of a task -> the 95 % interval of each metric."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.intervals import accuracy_interval
from mtl_runtime.dataset.metrics import TaskMetrics
from mtl_runtime.dataset.resampling import resample_metrics
from mtl_runtime.dataset.targets import Targets

__all__ = ["metric_intervals"]

_ENDS = (2.5, 97.5)  # percentiles


def metric_intervals(
    task: TaskSpec, targets: Targets, logits: NDArray[np.float32], measured: TaskMetrics
) -> dict[str, tuple[float, float]]:
    """Compute the interval of each metric of ``measured`` that these rows give one for.

    Accuracy has Wilson's score interval, the others the percentile bootstrap over rows (B. Efron, Annals of Statistics
    7 (1979) 1-26), with a fixed seed. Where all resamples agree, as those of a perfect score do, they say nothing about
    other rows, and the metric has none.

    Args:
        task: labels and thresholds.
        targets: (N,) or (N, labels), all rows labelled, at least one.
        logits: float32 (N, width).
        measured: metrics of these rows.
    """
    intervals = {name: bounds for name, bounds in _resample(task, targets, logits).items() if bounds[0] < bounds[1]}
    if "accuracy" in measured.values:
        intervals["accuracy"] = accuracy_interval(measured.values["accuracy"], measured.rows)
    return intervals


def _resample(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> Mapping[str, tuple[float, float]]:
    (resampled,) = resample_metrics(targets, [(task, logits)])
    ends = {name: np.percentile(values, _ENDS) for name, values in resampled.values.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}
