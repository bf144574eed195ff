"""data files of a config -> the examples of one split; bad rows stop the run, or are left out and listed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_export.config import BadRows, SourceConfig, TaskConfig
from mtl_export.errors import DataError
from mtl_runtime.dataset.examples import Example, LabelColumn, read_labelled_file
from mtl_runtime.errors import TableError

__all__ = [
    "Examples",
    "SkippedRow",
    "SourceFiles",
    "check_not_empty",
    "read_examples",
    "source_files",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFiles:
    """The files of one source and split, and what is read of them."""

    text: str  # column
    files: tuple[str, ...]
    tasks: tuple[str, ...]  # with a column of labels here
    holdout: float = 0.0  # share of the rows that are held out for validation
    held_out: bool = False  # read that share, and not the rest

    def wants(self, text: str) -> bool:
        """Whether a row belongs to this part: by the hash of its text, so that equal texts stay together."""
        if not self.holdout:
            return True
        digest = hashlib.sha256(text.encode()).digest()
        return (int.from_bytes(digest[:8]) / 2**64 < self.holdout) == self.held_out


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """A row that ``bad_rows = "skip"`` left out."""

    path: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """All examples of one split, in the files' order."""

    rows: tuple[Example, ...]
    skipped: tuple[SkippedRow, ...]
    files: tuple[str, ...]


def source_files(source: SourceConfig, split: str, tasks: tuple[str, ...]) -> SourceFiles:
    """What to read of ``source`` for "train", "validation" or "test"."""
    held_out = split == "validation" and source.holdout > 0
    return SourceFiles(
        text=source.text,
        files=source.train if held_out else getattr(source, split),
        tasks=tasks,
        holdout=0.0 if split == "test" else source.holdout,
        held_out=held_out,
    )


def read_examples(
    sources: Sequence[SourceFiles],
    tasks: Mapping[str, TaskConfig],
    *,
    bad_rows: BadRows = "error",
) -> Examples:
    """Read the files of one split.

    Args:
        sources: where to read; an example remembers the index of its source.
        tasks: how to read the labels of each task.
        bad_rows: "skip" leaves malformed rows, empty texts and unknown labels out, and lists them.

    Raises:
        TableError: a file or (unless skipped) a row is bad; names file, line and column.
    """
    rows: list[Example] = []
    skipped: list[SkippedRow] = []

    def on_bad(error: TableError) -> None:
        if bad_rows == "error":
            raise error
        if source.held_out:  # the same file is read for training too, and lists the row there
            return
        place = f"column {error.column!r}: " if error.column else ""
        skipped.append(SkippedRow(path=str(error.path), line=error.line or 0, reason=place + error.problem))

    for index, source in enumerate(sources):
        columns = {name: _column(name, tasks[name]) for name in source.tasks}
        for file in source.files:
            found = read_labelled_file(Path(file), text=source.text, tasks=columns, source=index, on_bad=on_bad)
            rows.extend(row for row in found if source.wants(row.text))
    files = tuple(file for source in sources for file in source.files)
    return Examples(rows=tuple(rows), skipped=tuple(skipped), files=files)


def _column(name: str, task: TaskConfig) -> LabelColumn:
    return LabelColumn(column=task.column or name, kind=task.kind, labels=task.labels)


def check_not_empty(examples: Examples, split: str) -> None:
    """Refuse a split in which every row was skipped.

    Raises:
        DataError: there is no row left.
    """
    if not examples.rows:
        raise DataError(f"the {split} split has no usable row: {len(examples.skipped)} rows were skipped")
