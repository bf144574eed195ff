"""examples of one split + task specs -> how many of its rows have which label."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.label_cells import label_names

__all__ = ["LabelCounts", "count_labels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """Rows of one split."""

    rows: int
    labelled: Mapping[str, int]  # rows with a label, or a number, of each task
    by_label: Mapping[str, Mapping[str, int]]  # rows by task and label; empty for a regression


def count_labels(examples: Sequence[Example], specs: Sequence[TaskSpec]) -> LabelCounts:
    """Count the rows with each label of each task; a label without a row counts 0."""
    labels = {spec.name: [row.labels[spec.name] for row in examples if spec.name in row.labels] for spec in specs}
    counts = {name: Counter(label for cell in cells for label in label_names(cell)) for name, cells in labels.items()}
    return LabelCounts(
        rows=len(examples),
        labelled={name: len(cells) for name, cells in labels.items()},
        by_label={spec.name: {label: counts[spec.name][label] for label in spec.labels} for spec in specs},
    )
