"""a data file -> examples: texts with the labels they have; a bad row is an error that names file, line and column."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mtl_runtime.bundle.manifest import Kind
from mtl_runtime.dataset.label_cells import Label, parse_label
from mtl_runtime.errors import EncodingError, InvalidTextError, TableError
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.table import BadRow, Row, Table
from mtl_runtime.text.validation import validate_texts

__all__ = ["Example", "LabelColumn", "column_names", "read_labelled_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelColumn:
    """Where a task's labels stand, and how they are read."""

    column: str
    kind: Kind
    labels: tuple[str, ...] = ()  # empty: all are welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One text with the labels that its row has; a task that is absent is unlabelled here."""

    text: str
    labels: Mapping[str, Label]  # by task
    source: int = 0  # index in the config of a training run
    path: str
    line: int


def column_names(path: Path) -> set[str]:
    """Columns that a file has; those of jsonl are the keys of all its records.

    Raises:
        TableError: the file cannot be read.
    """
    with open_table(path) as table:
        later = (key for row in table.rows for key in row.values) if table.format == "jsonl" else ()
        return {*table.columns, *later}


def read_labelled_file(
    path: Path,
    *,
    text: str,
    tasks: Mapping[str, LabelColumn],
    text_hint: str = "",
    source: int = 0,
    on_bad: Callable[[TableError], None] | None = None,
) -> Iterator[Example]:
    """Examples of one file, in its order.

    Args:
        path: csv, tsv, jsonl or parquet, by suffix.
        text: column of the texts.
        tasks: the columns of labels to read, by task.
        text_hint: what to tell a caller whose file has no column ``text``.
        source: remembered by the examples.
        on_bad: is told each row that cannot be read; if it returns, the row is left out. Default: raise.

    Raises:
        TableError: the file has no rows or lacks a column, or a row is bad; whatever ``on_bad``, it is not UTF-8.
    """
    columns = [task.column for task in tasks.values()]
    seen: set[str] = set()
    count = 0
    with open_table(path) as table:
        table.require(text, hint=text_hint)
        _require_labels(table, columns)
        for row in table.records:
            if isinstance(row, BadRow):
                if isinstance(row.error, EncodingError):
                    raise row.error  # left out, such rows would be one language's or one source's
                _tell(on_bad, row.error)
                continue
            count += 1
            seen.update(row.values)
            try:
                labels = {name: _label(path, row, task) for name, task in tasks.items()}
                example = Example(
                    text=_text(path, row, text),
                    labels={name: label for name, label in labels.items() if label is not None},
                    source=source,
                    path=str(path),
                    line=row.line,
                )
            except TableError as error:
                _tell(on_bad, error)
                continue
            yield example
    if not count:
        raise TableError(path, "the file has no rows")
    for column in columns:
        if column not in seen:
            raise TableError(path, f"there is no column {column!r}; the columns are: {', '.join(sorted(seen))}", line=1)


def _tell(on_bad: Callable[[TableError], None] | None, error: TableError) -> None:
    if on_bad is None:
        raise error
    on_bad(error)


def _require_labels(table: Table, columns: Iterable[str]) -> None:
    """Check the header at once; in jsonl a first record may lack its labels, so those are checked at the end."""
    if table.format != "jsonl":
        for column in columns:
            table.require(column)


def _text(path: Path, row: Row, column: str) -> str:
    value = row.values.get(column)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise TableError(path, "the text is empty", line=row.line, column=column)
    try:
        return validate_texts([value])[0]
    except InvalidTextError as error:
        raise TableError(path, error.problem, line=row.line, column=column) from error


def _label(path: Path, row: Row, task: LabelColumn) -> Label | None:
    try:
        return parse_label(row.values.get(task.column), task.kind, task.labels)
    except ValueError as error:
        raise TableError(path, str(error), line=row.line, column=task.column) from error
