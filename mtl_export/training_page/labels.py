"""one task's metrics and counts -> a table of its labels: rows in each split, precision, recall and F1."""

from collections.abc import Sequence

from mtl_export.checkpoint import TrainingRecord
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import LabelResult
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Content, Markup, table, tag

__all__ = ["label_table"]

_MOST_OPEN = 12  # labels; longer tables are folded

_HEAD = ("label", "training rows", "validation rows", "answered", "precision", "recall", "F1")


def label_table(task: TaskSpec, training: TrainingRecord) -> Markup | None:
    """Make the table; None: the task has no labels, or format version 1 did not count them."""
    results = training.validation[task.name].by_label
    if not results:
        return None
    trained = training.splits["train"].by_label[task.name] if "train" in training.splits else {}
    rows = [_row(name, result, trained.get(name)) for name, result in zip(task.labels, results, strict=True)]
    whole = table(f"Labels of {task.name}, on the validation rows", _HEAD, rows)
    if len(results) <= _MOST_OPEN:
        return whole
    summary = tag("summary", tag("h3", f"All {number_format.count(len(results))} labels"))
    return tag("details", summary, tag("div", whole, class_="body"))


def _row(name: str, label: LabelResult, trained: int | None) -> Sequence[Content]:
    return (
        name,
        number_format.DASH if trained is None else number_format.count(trained),
        number_format.count(label.rows),
        number_format.count(label.predicted),
        _share(label.correct, label.predicted),
        _share(label.correct, label.rows),
        _share(2 * label.correct, label.rows + label.predicted),
    )


def _share(part: int, whole: int) -> str:
    return number_format.share(part / whole) if whole else number_format.DASH
