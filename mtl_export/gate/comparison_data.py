"""checkpoint (+ files) -> the sentences that a gate compares on, with their labels and digests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mtl_export.checkpoint import Checkpoint
from mtl_export.config import TaskConfig
from mtl_export.data.examples import SourceFiles, check_not_empty, read_examples, source_files
from mtl_export.errors import CheckpointError
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.dataset.examples import Example, column_names

__all__ = ["ComparisonData", "data_from_checkpoint", "data_from_files"]

_OPTIONS = {"train": "--calibration", "validation": "--data"}


@dataclass(frozen=True, slots=True)
class ComparisonData:
    """Sentences with the labels that they have, and the files they came from."""

    rows: tuple[Example, ...]
    files: Mapping[str, FileSpec]  # by file name


def data_from_checkpoint(checkpoint: Checkpoint, split: Literal["train", "validation"]) -> ComparisonData:
    """The files of one split of the checkpoint's config.

    Raises:
        CheckpointError: one is missing or has changed since training.
    """
    training = checkpoint.record.training
    sources = []
    for source in training.config.data.sources:
        files = source_files(source, split, source.tasks or tuple(training.config.tasks))
        paths = [checkpoint.data_path(name) for name in files.files]
        for name, path in zip(files.files, paths, strict=True):
            if not path.is_file() or FileSpec.of_file(path) != training.files[name]:
                state = "has changed since training" if path.is_file() else "is not there any more"
                raise CheckpointError(f"{split} file {path} {state}; name other sentences with {_OPTIONS[split]}")
        sources.append(replace(files, files=tuple(map(str, paths))))
    return _read(sources, checkpoint)


def data_from_files(checkpoint: Checkpoint, files: Sequence[Path]) -> ComparisonData:
    """Files of the user: the text column of the config, and the columns of those tasks that a file has.

    Raises:
        TableError: a file has no text column, or a malformed row.
    """
    text = checkpoint.record.training.config.data.sources[0].text
    sources = []
    for file in files:
        columns = column_names(file)
        tasks = tuple(name for name, task in _known_tasks(checkpoint).items() if (task.column or name) in columns)
        sources.append(SourceFiles(text=text, files=(str(file),), tasks=tasks))
    return _read(sources, checkpoint)


def _known_tasks(checkpoint: Checkpoint) -> dict[str, TaskConfig]:
    """A reading rule for every task; one that came with a base checkpoint has a column of its own name."""
    config = checkpoint.record.training.config.tasks
    return {
        task.name: replace(config.get(task.name, TaskConfig(kind=task.kind)), labels=task.labels)
        for task in checkpoint.record.model.tasks
    }


def _read(sources: Sequence[SourceFiles], checkpoint: Checkpoint) -> ComparisonData:
    bad_rows = checkpoint.record.training.config.data.bad_rows
    examples = read_examples(sources, _known_tasks(checkpoint), bad_rows=bad_rows)
    check_not_empty(examples, "comparison")
    return ComparisonData(examples.rows, {Path(name).name: FileSpec.of_file(Path(name)) for name in examples.files})
