"""config -> TrainingData: the rows of both splits, and the specs of the tasks that they can train."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mtl_export.config import Config, TaskConfig
from mtl_export.data.examples import Examples, SkippedRow, check_not_empty
from mtl_export.data.label_counts import LabelCounts, count_labels
from mtl_export.data.labels import task_specs
from mtl_export.data.splits import read_splits
from mtl_export.preflight import check_data_files
from mtl_runtime.bundle.manifest import FileSpec, TaskSpec

__all__ = ["TrainingData", "data_digests"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Labelled sentences of both splits."""

    train: Examples
    validation: Examples
    tasks: Mapping[str, TaskConfig]
    specs: tuple[TaskSpec, ...]  # of ``tasks``, in their order

    @classmethod
    def read(cls, config: Config, tasks: Mapping[str, TaskConfig]) -> Self:
        """Read the files of ``config``; the numbers of rows and each skipped row are logged.

        Args:
            config: its data files are read.
            tasks: to train, with their labels where these are known already.

        Raises:
            TableError, DataError, ConfigError: see :mod:`mtl_export.data`.
        """
        splits = read_splits(
            config.data.sources,
            tasks,
            bad_rows=config.data.bad_rows,
            max_text_bytes=config.data.max_text_bytes,
            max_row_bytes=config.data.max_row_bytes,
        )
        for split, examples in splits.items():
            check_not_empty(examples, split)
            _log_rows(split, examples)
        train, validation = splits["train"], splits["validation"]
        return cls(train, validation, tasks, task_specs(tasks, train, validation))

    @property
    def label_counts(self) -> dict[str, LabelCounts]:
        """Rows by label, of "train" and "validation"."""
        splits = {"train": self.train, "validation": self.validation}
        return {split: count_labels(examples.rows, self.specs) for split, examples in splits.items()}

    @property
    def skipped(self) -> tuple[SkippedRow, ...]:
        """Rows of both splits that ``bad_rows = "skip"`` left out."""
        return (*self.train.skipped, *self.validation.skipped)


def data_digests(config: Config) -> dict[str, FileSpec]:
    """Size and SHA-256 of every data file that ``config`` names.

    Raises:
        ConfigError: a file cannot be read.
    """
    names = [name for source in config.data.sources for name in (*source.train, *source.validation, *source.test)]
    check_data_files(map(Path, names))
    return {name: FileSpec.of_file(Path(name)) for name in names}


def _log_rows(split: str, examples: Examples) -> None:
    for row in examples.skipped:
        _log.info("skipped %s, line %d: %s", row.path, row.line, row.reason)
    _log.info("%s: %d sentences, %d rows skipped", split, len(examples.rows), len(examples.skipped))
