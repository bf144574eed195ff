"""checkpoint (+ files) -> the sentences that variants are compared on and calibrated with, each file read once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_export.checkpoint import Checkpoint
from mtl_export.config import TaskConfig
from mtl_export.data.examples import Examples, SourceFiles, check_not_empty, read_examples
from mtl_export.data.holdout import hash_holdout, stratified_holdout
from mtl_export.data.splits import read_splits, split_files
from mtl_export.errors import CheckpointError
from mtl_runtime.bundle.manifest import FileSpec, TaskSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.examples import Example, find_columns, warn_of_twin_columns
from mtl_runtime.gate.calibration import FittedTasks, calibrate_tasks
from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES

__all__ = [
    "ComparisonData",
    "Outputs",
    "Sentences",
    "check_data_is_unchanged",
    "data_from_checkpoint",
    "data_from_files",
    "load_comparison_data",
    "task_configs",
]

_FITTED_ROWS = 1024  # labelled ones of each task

_OPTIONS = {"train": "--calibration", "validation": "--data"}

Logits = Mapping[str, NDArray[np.float32]]  # by task, (N, width)


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences with the labels that they have, and the files they came from."""

    examples: tuple[Example, ...]
    files: Mapping[str, FileSpec]  # by file name

    @property
    def texts(self) -> list[str]:
        """The sentences alone."""
        return [example.text for example in self.examples]


@dataclass(frozen=True, slots=True)
class Outputs:
    """What one model answers to the comparison data."""

    compared: Logits  # to the sentences compared, edge cases last
    validation: Logits | None  # None where these were not asked, or are not there


@dataclass(frozen=True, slots=True)
class ComparisonData:
    """Sentences of the gate: those that are compared, edge cases, and those that temperatures are fitted on."""

    sentences: Sentences
    edges: tuple[Example, ...]  # the shortest and longest texts, and what tokenizers get wrong first
    validation: Sentences | None  # labelled; often the very same as ``sentences``

    @property
    def compared(self) -> tuple[Example, ...]:
        """The sentences, then the edge cases."""
        return (*self.sentences.examples, *self.edges)

    @property
    def compared_texts(self) -> list[str]:
        """The texts of :attr:`compared`."""
        return [example.text for example in self.compared]

    @property
    def answered(self) -> int:
        """How many sentences a model answers, those that temperatures are fitted on included."""
        if self.validation is None or self.validation is self.sentences:
            return len(self.compared)
        return len(self.compared) + len(self.validation.examples)

    def answer(self, logits_of: Callable[[list[str]], Logits], *, validation: bool = True) -> Outputs:
        """Let one model answer each set of sentences once, or leave the ``validation`` sentences out."""
        answers = logits_of(self.sentences.texts)
        edges = logits_of([example.text for example in self.edges])
        compared = {task: np.concatenate([rows, edges[task]]) for task, rows in answers.items()}
        if self.validation is None or not validation:
            return Outputs(compared, None)
        return Outputs(compared, answers if self.validation is self.sentences else logits_of(self.validation.texts))

    def calibrate(self, tasks: Sequence[TaskSpec], outputs: Outputs) -> FittedTasks:
        """Fit temperatures and thresholds to one model's answers; without validation sentences ``tasks`` stay."""
        if outputs.validation is None or self.validation is None:
            return FittedTasks(tasks=tuple(tasks))
        return calibrate_tasks(tasks, outputs.validation, self.validation.examples)


def load_comparison_data(
    checkpoint: Checkpoint, files: Sequence[Path], edge_texts: Sequence[str], *, column: str | None = None
) -> ComparisonData:
    """Read ``files``, or without any the checkpoint's own validation files, once.

    Args:
        checkpoint: its tasks are read, and its own files.
        files: of the user.
        edge_texts: compared in addition.
        column: of the texts in ``files``, as in :func:`data_from_files`.

    Raises:
        CheckpointError: without ``files``: a validation file is missing or has changed since training.
        TableError: a file cannot be read, or has a malformed row.
    """
    edges = tuple(
        Example(text=text, labels={}, path="edge cases", line=line) for line, text in enumerate(edge_texts, 1)
    )
    if not files:
        own = data_from_checkpoint(checkpoint, "validation")
        return ComparisonData(own, edges, own)
    try:
        validation = data_from_checkpoint(checkpoint, "validation")
        validation = replace(validation, examples=_sample_to_fit(validation.examples, checkpoint))
    except CheckpointError:  # temperatures are fitted only on the very sentences of training's validation
        validation = None
    return ComparisonData(data_from_files(checkpoint, files, column=column), edges, validation)


def _sample_to_fit(examples: Sequence[Example], checkpoint: Checkpoint) -> tuple[Example, ...]:
    """Evenly spaced rows, as many as each task's temperature needs; all of them where thresholds are fitted too.

    They are answered for that alone. 1,024 labelled rows fit a temperature to a few percent; a threshold depends on the
    positive rows of its label, of which there may be a handful among thousands.
    """
    tasks = checkpoint.record.model.tasks
    if any(task.kind == "multi_label" for task in tasks):
        return tuple(examples)
    labelled = (
        [row for row, example in enumerate(examples) if example.labels.get(task.name) is not None] for task in tasks
    )
    rows = sorted({row for own in labelled for row in evenly_spaced(own, _FITTED_ROWS)})
    return tuple(examples[row] for row in rows)


def data_from_checkpoint(checkpoint: Checkpoint, split: Literal["train", "validation"]) -> Sentences:
    """The files of one split of the checkpoint's config.

    Raises:
        CheckpointError: one is missing or has changed since training.
    """
    check_data_is_unchanged(checkpoint, split, way_out=f"name other sentences with {_OPTIONS[split]}")
    training = checkpoint.record.training
    # The rows that this very run was validated on: format version 1 held them out by another rule.
    holdout = hash_holdout if checkpoint.record.format_version == 1 else stratified_holdout
    splits = read_splits(
        checkpoint.config.data.sources,
        _trained_tasks(checkpoint),
        [split],
        bad_rows=training.config.data.bad_rows,
        max_text_bytes=_max_text_bytes(checkpoint),
        max_row_bytes=training.config.data.max_row_bytes,
        holdout=holdout,
    )
    return _to_sentences(splits[split])


def check_data_is_unchanged(checkpoint: Checkpoint, split: Literal["train", "validation"], *, way_out: str) -> None:
    """Refuse files of a split that are not those that the checkpoint was trained with.

    Raises:
        CheckpointError: one is missing or has changed since training; the message ends with ``way_out``.
    """
    training = checkpoint.record.training
    for source in training.config.data.sources:
        for name in split_files(source, split):
            path = checkpoint.data_path(name)
            if not path.is_file() or FileSpec.of_file(path) != training.files[name]:
                state = "has changed since training" if path.is_file() else "no longer exists"
                raise CheckpointError(f"{split} file {path} {state}; {way_out}")


def data_from_files(checkpoint: Checkpoint, files: Sequence[Path], *, column: str | None = None) -> Sentences:
    """Files of the user: their texts, and the columns of those tasks that a file has.

    Args:
        checkpoint: its tasks are read.
        files: of sentences.
        column: of the texts; default: the first of training's that a file has, else "text".

    Raises:
        TableError: a file has no text column, or a malformed row.
    """
    config = checkpoint.record.training.config.data
    sources = []
    for file in files:
        text, columns = find_columns(
            file, trained=checkpoint.text_columns, asked=column, max_row_bytes=config.max_row_bytes
        )
        label_columns = {name: task.column or name for name, task in task_configs(checkpoint).items()}
        warn_of_twin_columns(file, label_columns.values(), columns)
        tasks = tuple(name for name, label_column in label_columns.items() if label_column in columns)
        sources.append(SourceFiles(text=text, files=(str(file),), tasks=tasks))
    examples = read_examples(
        sources,
        task_configs(checkpoint),
        bad_rows=config.bad_rows,
        max_text_bytes=_max_text_bytes(checkpoint),
        max_row_bytes=config.max_row_bytes,
    )
    return _to_sentences(examples)


def _max_text_bytes(checkpoint: Checkpoint) -> int:
    """As in training, but no more than a classifier accepts unless it is asked to."""
    return min(checkpoint.record.training.config.data.max_text_bytes, DEFAULT_MAX_TEXT_BYTES)


def task_configs(checkpoint: Checkpoint) -> dict[str, TaskConfig]:
    """How each task's labels are read; a task that came with a base checkpoint has a column of its own name."""
    config = checkpoint.record.training.config.tasks
    return {
        task.name: replace(
            config.get(task.name, TaskConfig(kind=task.kind)),
            labels=task.labels,
            fold_labels=task.fold_labels,
            missing=task.missing,
        )
        for task in checkpoint.record.model.tasks
    }


def _trained_tasks(checkpoint: Checkpoint) -> dict[str, TaskConfig]:
    """The tasks whose labels the checkpoint's own files hold; those of a base checkpoint have none there."""
    config = checkpoint.record.training.config.tasks
    return {name: task for name, task in task_configs(checkpoint).items() if name in config}


def _to_sentences(examples: Examples) -> Sentences:
    check_not_empty(examples, "comparison")
    return Sentences(examples.rows, {Path(name).name: FileSpec.of_file(Path(name)) for name in examples.files})
