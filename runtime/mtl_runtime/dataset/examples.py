"""data file -> examples: texts with their labels; the error about a bad row names file, line and column."""

import logging
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_runtime.dataset.label_cells import Label, LabelColumn, parse_label
from mtl_runtime.dataset.label_twins import find_twin
from mtl_runtime.errors import EncodingError, InvalidTextError, MissingColumnError, TableError
from mtl_runtime.tables.bad_rows import describe_bad_rows
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.table import BadRow, Row, Table, check_can_read_twice
from mtl_runtime.tables.text_column import COLUMN_HINT, choose_text_column, text_candidates
from mtl_runtime.tables.text_lines import DEFAULT_MAX_ROW_BYTES
from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES, cut_text, validate_texts

__all__ = ["Example", "find_columns", "iter_labelled_file", "read_labelled_file", "warn_of_twin_columns"]

_log = logging.getLogger(__name__)

_MOST_COUNTED = 1000  # bad rows after the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One text with the labels of its row, which may lack some tasks."""

    text: str
    labels: Mapping[str, Label]  # by task
    source: int = 0  # index in the config of a training run
    path: str
    line: int


def find_columns(
    path: Path, *, trained: Sequence[str], asked: str | None = None, max_row_bytes: int = DEFAULT_MAX_ROW_BYTES
) -> tuple[str, set[str]]:
    """Find the column of the texts of a file, and all its columns; those of jsonl are the keys of all its records.

    Args:
        path: csv, tsv, jsonl or parquet, by suffix.
        trained: the columns that held the texts in training.
        asked: what the user names; default: the first of ``trained`` that the file has, else "text".
        max_row_bytes: a longer row is an error.

    Raises:
        TableError: the file cannot be read, or only once, or has no column of texts.
    """
    check_can_read_twice(path)  # here, and for its rows
    candidates = text_candidates(trained=trained, asked=asked)
    with open_table(path, columns=candidates, max_row_bytes=max_row_bytes) as table:
        text = choose_text_column(table.columns, candidates)
        table.require(text, hint=COLUMN_HINT)
        records = table.records if table.format == "jsonl" else ()
        keys = (key for row in records if isinstance(row, Row) for key in row.values)
        return text, {*table.columns, *keys}


def warn_of_twin_columns(path: Path, tasks: Iterable[str], columns: Collection[str]) -> None:
    """Name each task whose labels are not read because their column is spelled otherwise.

    Args:
        path: of the file.
        tasks: the columns that hold labels.
        columns: of the file.
    """
    for task in tasks:
        twin = None if task in columns else find_twin(task, sorted(columns))
        if twin is not None:
            _log.warning(
                "%s: labels are read from a column %a, and there is only %a, which is not read", path, task, twin
            )


def read_labelled_file(
    path: Path,
    *,
    text: str,
    tasks: Mapping[str, LabelColumn],
    way_out: str = "",
    source: int = 0,
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
) -> list[Example]:
    """Read all examples of one file; none of its rows may be bad.

    Args:
        path: csv, tsv, jsonl or parquet, by suffix.
        text: column of the texts.
        tasks: the columns of labels to read, by task.
        way_out: what the error about a bad row advises, so that such rows are left out.
        source: copied into the examples.
        max_text_bytes: what is read of a text, in UTF-8.
        max_row_bytes: a longer row is an error.

    Raises:
        TableError: as :func:`iter_labelled_file`; that about a bad row says how many more the file has.
    """
    errors: list[TableError] = []

    def note(error: TableError) -> None:
        errors.append(error)
        if len(errors) > _MOST_COUNTED:
            raise errors[0].with_advice(describe_bad_rows(_MOST_COUNTED, complete=False, way_out=way_out))

    examples = list(
        iter_labelled_file(
            path,
            text=text,
            tasks=tasks,
            source=source,
            max_text_bytes=max_text_bytes,
            max_row_bytes=max_row_bytes,
            on_bad=note,
        )
    )
    if errors:
        raise errors[0].with_advice(describe_bad_rows(len(errors) - 1, way_out=way_out))
    return examples


def iter_labelled_file(
    path: Path,
    *,
    text: str,
    tasks: Mapping[str, LabelColumn],
    source: int = 0,
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
    on_bad: Callable[[TableError], None] | None = None,
) -> Iterator[Example]:
    """Read the examples of one file one by one, in its order.

    A text may be empty, as it may in the runtime. A longer one than ``max_text_bytes`` is cut, since the encoder reads
    the beginning of long texts alone; how many were is logged at INFO.

    Args:
        path: csv, tsv, jsonl or parquet, by suffix.
        text: column of the texts.
        tasks: the columns of labels to read, by task.
        source: copied into the examples.
        max_text_bytes: what is read of a text, in UTF-8.
        max_row_bytes: a longer row is an error, also where bad rows are skipped.
        on_bad: called with the error of each bad row; if it returns, the row is skipped. Default: raise the error.

    Raises:
        TableError: the file has no rows or lacks a column, or a row is bad; also, despite ``on_bad``, it is not UTF-8.
    """
    columns = [task.column for task in tasks.values()]
    keys: dict[str, int] = {}  # each with the first line that has it
    cut: list[int] = []  # lines
    count = 0
    with open_table(path, columns=[text, *columns], max_row_bytes=max_row_bytes) as table:
        table.require(text)
        _require_labels(table, columns)
        for row in table.records:
            count += 1
            if isinstance(row, Row) and not keys.keys() >= row.values.keys():
                keys = dict.fromkeys(row.values, row.line) | keys
            try:
                example = _to_example(path, row, text, tasks, source, max_text_bytes)
            except EncodingError:
                raise  # skipping such rows would drop a whole language or source
            except TableError as error:
                _handle_bad_row(on_bad, error)
                continue
            if len(example.text) < len(row.values[text]):
                cut.append(example.line)
            yield example
    _log_cut_texts(path, cut, max_text_bytes)
    if not count:
        raise TableError(path, "the file has no rows")
    for column in columns if keys else ():
        if column not in keys:
            raise MissingColumnError(path, column, sorted(keys))
    if table.format == "jsonl":
        _warn_of_twin_keys(path, keys, [text, *columns])
    _log.debug("read %d rows of %s", count, path)


def _to_example(
    path: Path,
    row: Row | BadRow,
    column: str,
    tasks: Mapping[str, LabelColumn],
    source: int,
    max_text_bytes: int,
) -> Example:
    if isinstance(row, BadRow):
        raise row.error
    labels = {name: _read_label(path, row, task) for name, task in tasks.items()}
    return Example(
        text=cut_text(_read_text(path, row, column), max_text_bytes),
        labels={name: label for name, label in labels.items() if label is not None},
        source=source,
        path=str(path),
        line=row.line,
    )


def _log_cut_texts(path: Path, lines: Sequence[int], max_text_bytes: int) -> None:
    if lines:
        what = "1 text is longer" if len(lines) == 1 else f"{len(lines):,} texts are longer"
        _log.info(
            "%s: %s than %d bytes and read up to there, the first in line %d", path, what, max_text_bytes, lines[0]
        )


def _warn_of_twin_keys(path: Path, keys: Mapping[str, int], columns: Sequence[str]) -> None:
    """Name the keys that look like one that is read, since the values of their records are not."""
    for key, line in keys.items():
        twin = None if key in columns else find_twin(key, columns)
        if twin is not None:
            _log.warning(
                "%s, line %d: the key %a is not read, %a is; write it alike in all records", path, line, key, twin
            )


def _handle_bad_row(on_bad: Callable[[TableError], None] | None, error: TableError) -> None:
    if on_bad is None:
        raise error
    on_bad(error)


def _require_labels(table: Table, columns: Iterable[str]) -> None:
    """Check the header; the first record of a jsonl may lack labels, so there the columns are checked at the end."""
    if table.format != "jsonl":
        for column in columns:
            table.require(column)


def _read_text(path: Path, row: Row, column: str) -> str:
    value = row.values.get(column)
    if value is None:
        raise TableError(path, "the text is missing", line=row.line, column=column)
    try:
        return validate_texts([value], max_text_bytes=sys.maxsize)[0]
    except InvalidTextError as error:
        raise TableError(path, error.problem, line=row.line, column=column) from error


def _read_label(path: Path, row: Row, task: LabelColumn) -> Label | None:
    try:
        return parse_label(row.values.get(task.column), task)
    except ValueError as error:
        raise TableError(path, str(error), line=row.line, column=task.column) from error
