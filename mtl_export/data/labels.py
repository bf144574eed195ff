"""training and validation examples -> TaskSpecs: the labels of each task, in the order of its logits."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from mtl_export.config import TaskConfig
from mtl_export.data.examples import Examples
from mtl_export.errors import ConfigError, DataError
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.label_cells import label_names
from mtl_runtime.errors import RecordError, TableError

__all__ = ["task_specs"]

DEFAULT_THRESHOLD = 0.5


def task_specs(tasks: Mapping[str, TaskConfig], train: Examples, validation: Examples) -> tuple[TaskSpec, ...]:
    """Decide each task's labels and check that they can be learnt.

    Raises:
        DataError: a task has no labelled row in a split, or fewer than two classes to learn.
        TableError: a validation row has a label that no training row has; names file, line and column.
        ConfigError: class_weights do not fit the labels, or a task name is malformed.
    """
    specs = []
    for name, task in tasks.items():
        counts = _counts(name, train.rows)
        _check_counts(name, task, counts, train, validation)
        _check_validation(name, task, counts, validation.rows)
        labels = task.labels or (() if task.kind == "regression" else tuple(sorted(counts, key=_label_order)))
        if isinstance(task.class_weights, Mapping) and set(task.class_weights) != set(labels):
            raise ConfigError(f"tasks.{name}.class_weights: needs exactly one weight for each of {', '.join(labels)}")
        thresholds = tuple(DEFAULT_THRESHOLD for _ in labels) if task.kind == "multi_label" else ()
        try:
            specs.append(TaskSpec(name=name, kind=task.kind, labels=labels, thresholds=thresholds))
        except RecordError as error:
            raise ConfigError(f"tasks.{name}.{error}") from error
    return tuple(specs)


def _label_order(label: str) -> tuple[bool, int, str]:
    """Whole numbers by value and before words, words by spelling."""
    number = label.removeprefix("-").isdecimal()
    return not number, int(label) if number else 0, label


def _counts(task: str, rows: Iterable[Example]) -> Counter[str]:
    """Labelled rows by label; a regression counts under the name of the task."""
    counts: Counter[str] = Counter()
    for row in rows:
        if task in row.labels:
            label = row.labels[task]
            counts.update([task] if isinstance(label, float) else label_names(label))
    return counts


def _check_counts(name: str, task: TaskConfig, counts: Counter[str], train: Examples, validation: Examples) -> None:
    column = task.column or name
    for split, examples in (("training", train), ("validation", validation)):
        if not any(name in row.labels for row in examples.rows):
            files = ", ".join(examples.files)
            raise DataError(f"task {name!r} has no labelled row in the {split} data (column {column!r} of {files})")
    least = {"single_label": 2, "multi_label": 1, "regression": 1}[task.kind]
    if len(counts) < least:
        seen = ", ".join(sorted(counts)) or "none"
        raise DataError(
            f"task {name!r} has fewer than {least} classes in the training data (column {column!r}: {seen}); "
            f"there is nothing to tell apart"
        )


def _check_validation(name: str, task: TaskConfig, counts: Counter[str], rows: Iterable[Example]) -> None:
    if task.kind == "regression":
        return
    for row in rows:
        for label in label_names(row.labels.get(name, ())):
            if label not in counts:
                problem = f"label {label!r} occurs in validation and never in training; training has: "
                problem += ", ".join(sorted(counts))
                raise TableError(Path(row.path), problem, line=row.line, column=task.column or name)
