"""data files -> examples: texts with the labels they have; a bad row is an error that names file, line and column."""

import difflib
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_export.config import BadRows, SourceConfig, TaskConfig
from mtl_export.errors import DataError
from mtl_runtime.errors import InvalidTextError, TableError
from mtl_runtime.manifest import Kind
from mtl_runtime.tables import Row, Table, open_table
from mtl_runtime.tokenizer import checked_texts

__all__ = [
    "Example",
    "Examples",
    "Label",
    "SkippedRow",
    "SourceFiles",
    "check_not_empty",
    "read_examples",
    "source_files",
]

# single_label: the label's name; multi_label: the names; regression: the number
Label = str | tuple[str, ...] | float

_LARGEST_NUMBER = 3.4028234e38  # of float32, in which a regression is learnt


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One text with the labels that its row has; a task that is absent is unlabelled here."""

    text: str
    labels: Mapping[str, Label]  # by task
    source: int  # index in the config
    path: str
    line: int


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
        chosen = {name: tasks[name] for name in source.tasks}
        for file in source.files:
            found = _read_file(Path(file), index, source.text, chosen, on_bad)
            rows.extend(row for row in found if source.wants(row.text))
    files = tuple(file for source in sources for file in source.files)
    return Examples(rows=tuple(rows), skipped=tuple(skipped), files=files)


def _read_file(
    path: Path, source: int, text: str, tasks: Mapping[str, TaskConfig], on_bad: Callable[[TableError], None]
) -> Iterator[Example]:
    columns = {name: task.column or name for name, task in tasks.items()}
    seen: set[str] = set()
    count = 0
    with open_table(path, on_bad=on_bad) as table:
        _require(table, text, columns.values())
        for row in table.rows:
            count += 1
            seen.update(row.values)
            try:
                labels = {name: _label(path, row, columns[name], task) for name, task in tasks.items()}
                example = Example(
                    text=_text(path, row, text),
                    labels={name: label for name, label in labels.items() if label is not None},
                    source=source,
                    path=str(path),
                    line=row.line,
                )
            except TableError as error:
                on_bad(error)
                continue
            yield example
    if not count:
        raise TableError(path, "the file has no rows")
    for column in columns.values():
        if column not in seen:
            raise TableError(path, f"there is no column {column!r}; the columns are: {', '.join(sorted(seen))}", line=1)


def _require(table: Table, text: str, columns: Iterable[str]) -> None:
    """Check the header at once; in jsonl a first record may lack its labels, so those are checked at the end."""
    table.require(text)
    if table.format != "jsonl":
        for column in columns:
            table.require(column)


def _text(path: Path, row: Row, column: str) -> str:
    value = row.values.get(column)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise TableError(path, "the text is empty", line=row.line, column=column)
    try:
        return checked_texts([value])[0]
    except InvalidTextError as error:
        raise TableError(path, error.problem, line=row.line, column=column) from error


def _label(path: Path, row: Row, column: str, task: TaskConfig) -> Label | None:
    """The row's label for ``task``; None if it has none."""
    value = row.values.get(column)
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        label = _PARSE[task.kind](value)
        if task.labels and not isinstance(label, float):
            _known((label,) if isinstance(label, str) else label, task.labels)
    except ValueError as error:
        raise TableError(path, str(error), line=row.line, column=column) from error
    return label


def _known(names: Iterable[str], labels: Sequence[str]) -> None:
    for name in names:
        if name not in labels:
            near = difflib.get_close_matches(name, labels, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; the labels are: {', '.join(labels)}"
            raise ValueError(f"unknown label {name!r}{hint}")


def _name(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # whole numbers with gaps are written as floats by pandas
    if isinstance(value, str | int):
        name = str(value).strip()
        if name:
            return name
    raise ValueError(f"a label is a word or a whole number, found {value!r}")


def _names(value: Any) -> tuple[str, ...]:
    """Labels of a multi_label cell: a list, or names joined by "|" (a lone "|" says: none applies)."""
    parts = [part for part in value.split("|") if part.strip()] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError(  # noqa: TRY004 - a wrong cell, not a wrong program
            f"expected labels joined by '|' or a list of them, found {value!r}"
        )
    names = tuple(dict.fromkeys(_name(part) for part in parts))
    if any("|" in name for name in names):
        raise ValueError(f"a label of a multi_label task must not contain '|', found {value!r}")
    return names


def _number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= _LARGEST_NUMBER:
        raise ValueError(f"expected a finite number, found {value!r}")
    return number


_PARSE: Mapping[Kind, Callable[[Any], Label]] = {
    "single_label": _name,
    "multi_label": _names,
    "regression": _number,
}


def check_not_empty(examples: Examples, split: str) -> None:
    """Refuse a split in which every row was skipped.

    Raises:
        DataError: there is no row left.
    """
    if not examples.rows:
        raise DataError(f"the {split} split has no usable row: {len(examples.skipped)} rows were skipped")
