"""rows -> csv, tsv, jsonl or parquet file: the counterpart of tables.

What :func:`mtl_runtime.tables.open_table` reads back from csv, tsv and jsonl are the rows that were written.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mtl_runtime.errors import TableError
from mtl_runtime.tables import Row, Table, TableFormat, pyarrow

__all__ = ["WriteRows", "check_writable", "open_writer"]

WriteRows = Callable[[Sequence[Row]], None]
_DELIMITERS: Mapping[str, str] = {"csv": ",", "tsv": "\t"}


def check_writable(format: TableFormat, path: Path) -> TableFormat:
    """Make sure that ``format`` can be written.

    Raises:
        TableError: txt holds one text a line and has no room for answers.
    """
    if format == "txt":
        raise TableError(
            path,
            "txt has no columns, so it is no output format; use csv, tsv, jsonl or parquet (--output-format)",
        )
    return format


def open_writer(
    stream: BinaryIO, format: TableFormat, *, source: Table, added: Mapping[str, type]
) -> AbstractContextManager[WriteRows]:
    """Open a table for writing; what it yields writes rows, whose values are the source's and the added.

    Args:
        stream: where the bytes go.
        format: any but txt.
        source: its columns come first, in their order.
        added: the columns after them, each ``str`` or ``float``.

    Raises:
        TableError: while writing, a row has a value or column that the format cannot hold.
        MissingPackageError: parquet, and pyarrow is not installed.
    """
    check_writable(format, source.path)
    if format == "jsonl":
        return _jsonl(stream, source.path)
    if format == "parquet":
        return _parquet(stream, source, added)
    return _delimited(stream, _DELIMITERS[format], source, added)


@contextmanager
def _delimited(stream: BinaryIO, delimiter: str, source: Table, added: Mapping[str, type]) -> Iterator[WriteRows]:
    columns = (*source.columns, *added)
    # csv quotes a carriage return only where the line's end has one, and unquoted it cannot be read back.
    writer = csv.writer(_Lines(stream), delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)

    def write(rows: Sequence[Row]) -> None:
        for row in rows:
            _known_columns(row, columns, source.path)
            writer.writerow([_cell(row.values.get(name)) for name in columns])

    yield write


@dataclass(frozen=True, slots=True)
class _Lines:
    """What csv writes its rows to: they end in a plain newline."""

    stream: BinaryIO

    def write(self, line: str) -> int:
        return self.stream.write(f"{line[:-2]}\n".encode())


@contextmanager
def _jsonl(stream: BinaryIO, path: Path) -> Iterator[WriteRows]:
    def write(rows: Sequence[Row]) -> None:
        for row in rows:
            try:
                line = json.dumps(dict(row.values), ensure_ascii=False, allow_nan=False, default=_cell)
            except ValueError as error:
                problem = f"JSON has no NaN and no infinity ({error}); use csv or parquet (--output-format)"
                raise TableError(path, problem, line=row.line) from error
            stream.write(f"{line}\n".encode())

    yield write


@contextmanager
def _parquet(stream: BinaryIO, source: Table, added: Mapping[str, type]) -> Iterator[WriteRows]:
    arrow = pyarrow()
    types = {str: arrow.string(), float: arrow.float64()}
    new = [arrow.field(name, types[kind]) for name, kind in added.items()]
    writer: Any = None

    def write(rows: Sequence[Row]) -> None:
        nonlocal writer
        for row in rows:
            _known_columns(row, (*source.columns, *added), source.path)
        try:
            if writer is None:
                old = source.schema or _schema_of(rows, source.columns)
                schema = arrow.schema([*old, *new], metadata=old.metadata)
                writer = arrow.parquet.ParquetWriter(stream, schema)
            arrays = [
                arrow.array([row.values.get(field.name) for row in rows], type=field.type) for field in writer.schema
            ]
            writer.write_table(arrow.table(arrays, schema=writer.schema))
        except (arrow.ArrowException, OverflowError) as error:
            first, last = (rows[0].line, rows[-1].line) if rows else (0, 0)
            problem = f"a column does not keep one type in lines {first} to {last} ({error})"
            raise TableError(source.path, f"{problem}; use --output-format jsonl") from error

    try:
        yield write
        if writer is None:
            write([])
    finally:
        if writer is not None:
            writer.close()


def _schema_of(rows: Sequence[Row], columns: Sequence[str]) -> Any:
    """Arrow schema that fits the first rows of a source that has none."""
    arrow = pyarrow()
    arrays = {name: arrow.array([row.values.get(name) for row in rows]) for name in columns}
    # A column that is empty so far is most likely text.
    return arrow.schema(
        [(name, arrow.string() if array.type == arrow.null() else array.type) for name, array in arrays.items()]
    )


def _known_columns(row: Row, columns: Sequence[str], path: Path) -> None:
    for name in row.values:
        if name not in columns:
            problem = f"the first record has no key {name!r}, and this output format has fixed columns"
            raise TableError(path, f"{problem}; use --output-format jsonl", line=row.line)


def _cell(value: Any) -> str:
    """One value as a csv cell: str as it is, None empty, Arrow's own as Arrow writes it, else JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=_cell)
    if hasattr(value, "as_py"):
        return _cell(value.cast("string").as_py())
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
