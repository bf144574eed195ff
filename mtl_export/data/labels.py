"""training and validation examples -> TaskSpecs, with the labels of each task in the order of its logits."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from mtl_export.config import TaskConfig
from mtl_export.config.class_weights import weights_problem
from mtl_export.data.examples import Examples
from mtl_export.errors import ConfigError, DataError
from mtl_runtime.bundle.manifest import Standardization, TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.label_cells import label_names
from mtl_runtime.dataset.label_twins import find_twin
from mtl_runtime.errors import RecordError, TableError

__all__ = ["task_specs"]

DEFAULT_THRESHOLD = 0.5
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def task_specs(tasks: Mapping[str, TaskConfig], train: Examples, validation: Examples) -> tuple[TaskSpec, ...]:
    """Determine the labels of each task, and check that the data can train it.

    Raises:
        DataError: a task has no labelled row in a split, or too few classes to learn.
        TableError: a validation row has a label that no training row has; the message names file, line and column.
        ConfigError: class_weights do not match the labels, or the name of a task is malformed.
    """
    specs = []
    for name, task in tasks.items():
        counts = _count_labels(name, train.rows)
        _check_counts(name, task, counts, train, validation)
        _check_validation_labels(name, task, counts, validation.rows)
        labels = task.labels or (() if task.kind == "regression" else tuple(sorted(counts, key=_label_order)))
        if isinstance(task.class_weights, Mapping) and (problem := weights_problem(task.class_weights, labels)):
            raise ConfigError(f"tasks.{name}.class_weights: {problem}")
        thresholds = tuple(DEFAULT_THRESHOLD for _ in labels) if task.kind == "multi_label" else ()
        try:
            specs.append(
                TaskSpec(
                    name=name,
                    kind=task.kind,
                    labels=labels,
                    thresholds=thresholds,
                    standardization=_standardization(name, train.rows) if task.kind == "regression" else None,
                    fold_labels=task.fold_labels,
                    missing=task.missing,
                )
            )
        except RecordError as error:
            raise ConfigError(f"tasks.{name}.{error}") from error
    return tuple(specs)


def _standardization(task: str, rows: Iterable[Example]) -> Standardization | None:
    """Mean and standard deviation of the task's numbers; None where they are all equal."""
    numbers = np.array([label for row in rows if isinstance(label := row.labels.get(task), float)])
    deviation = float(numbers.std())
    return Standardization(mean=float(numbers.mean()), deviation=deviation) if deviation > 0 else None


def _label_order(label: str) -> tuple[bool, Fraction, str]:
    """Sort key: numbers first, by value; then words, by spelling."""
    is_number = _NUMBER.fullmatch(label) is not None
    return not is_number, Fraction(label) if is_number else Fraction(0), label


def _count_labels(task: str, rows: Iterable[Example]) -> Counter[str]:
    """Number of labelled rows by label; for a regression there is one count, under the name of the task."""
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
            problem = f"task {name!r} has no labelled row in the {split} data"
            files = ", ".join(examples.files)
            if split == "validation" and set(train.files) & set(validation.files):
                problem += " (the only row of a label stays in training): add rows, or name validation files"
            raise DataError(f"{problem} (column {column!r} of {files})")
    least = {"single_label": 2, "multi_label": 1, "regression": 1}[task.kind]
    if len(counts) < least:
        seen = ", ".join(sorted(counts)) or "none"
        raise DataError(
            f"task {name!r} has fewer than {least} classes in the training data (column {column!r}: {seen}); "
            f"there is nothing to learn"
        )


def _check_validation_labels(name: str, task: TaskConfig, counts: Counter[str], rows: Iterable[Example]) -> None:
    if task.kind == "regression":
        return
    for row in rows:
        for label in label_names(row.labels.get(name, ())):
            if label not in counts:
                problem = f"label {label!r} occurs in validation and never in training"
                twin = find_twin(label, sorted(counts))
                if twin is not None:
                    problem += f", which has {twin!r}; fold_labels = true in [tasks.{name}] reads both as one label"
                else:
                    problem += f"; training has: {', '.join(sorted(counts))}"
                raise TableError(Path(row.path), problem, line=row.line, column=task.column or name)
