"""labels -> targets: the numbers that losses and metrics compare with logits.

single_label: int64 (N,), the label's index, MISSING for a row without a label.
multi_label: float32 (N, labels), 1 where a label applies, NaN in all columns for a row without labels.
regression: float64 (N,), NaN for a row without a number.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.label_cells import Label, label_names

__all__ = ["MISSING", "Targets", "encode_labels", "has_label"]

MISSING = -100  # torch's ignore_index

Targets = NDArray[np.int64] | NDArray[np.float32] | NDArray[np.float64]


def encode_labels(task: TaskSpec, labels: Sequence[Label | None]) -> Targets:
    """Encode the labels of one task for N rows; None is a missing label."""
    if task.kind == "regression":
        return np.array([np.nan if label is None else label for label in labels], dtype=np.float64)
    index = {label: position for position, label in enumerate(task.labels)}
    if task.kind == "single_label":
        return np.array([MISSING if label is None else index[str(label)] for label in labels], dtype=np.int64)
    matrix = np.zeros((len(labels), len(task.labels)), dtype=np.float32)
    for row, label in enumerate(labels):
        if label is None:
            matrix[row] = np.nan
        else:
            matrix[row, [index[name] for name in label_names(label)]] = 1.0
    return matrix


def has_label(targets: Targets) -> NDArray[np.bool_]:
    """Find the rows of ``targets`` that have a label, bool (N,)."""
    if targets.dtype == np.int64:
        return np.asarray(targets != MISSING)
    return np.asarray(~np.isnan(targets if targets.ndim == 1 else targets[:, 0]))
