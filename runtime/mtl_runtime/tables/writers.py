"""rows -> csv, tsv, jsonl or parquet file: the counterpart of table_readers.

What :func:`mtl_runtime.tables.readers.open_table` reads back from csv, tsv and jsonl are the rows that were written.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mtl_runtime.errors import TableError
from mtl_runtime.tables.arrow import ArrowTables, join_parquet, table_of, to_bytes
from mtl_runtime.tables.table import BadRow, Row, Table, TableFormat, pyarrow

__all__ = ["ChunkedWriter", "WriteRows", "check_writable", "open_chunked_writer", "open_writer", "reject_line"]

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


@dataclass(frozen=True, slots=True)
class ChunkedWriter:
    """A table that is written piece by piece, by several processes one after the other."""

    encode: Callable[[Sequence[Row]], bytes]  # the rows of a piece
    # Where the pieces' bytes one after the other are not the file: makes it of them.
    join: Callable[[Iterable[bytes], BinaryIO], None] | None = None


@contextmanager
def open_chunked_writer(
    format: TableFormat, *, source: Table, added: Mapping[str, type], earlier: Iterable[bytes] = ()
) -> Iterator[ChunkedWriter]:
    """Open a table for writing in pieces; arguments and errors are those of :func:`open_writer`.

    Args:
        format: any but txt.
        source: its columns come first.
        added: the columns after them.
        earlier: pieces of this table that were written already; read until one tells what the rest must be like.
    """
    told = next((piece for piece in earlier if piece), None)
    if check_writable(format, source.path) == "parquet":
        yield _parquet_chunks(source, added, told)
        return
    sink = io.BytesIO()
    with open_writer(sink, format, source=source, added=added) as write:
        if told is not None:
            _write_rows(sink)  # the first piece holds the header

        def encode(rows: Sequence[Row]) -> bytes:
            write(rows)
            return _write_rows(sink)

        yield ChunkedWriter(encode)


def _write_rows(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


def _parquet_chunks(source: Table, added: Mapping[str, type], told: bytes | None) -> ChunkedWriter:
    """A parquet file cannot be gone on with, so its pieces are Arrow tables, and joined in the end."""
    pyarrow()
    tables = ArrowTables(source, added, schema=None if told is None else table_of(told).schema)

    def encode(rows: Sequence[Row]) -> bytes:
        _known_columns(rows, (*source.columns, *added), source.path)
        return to_bytes(tables.of(rows)) if rows else b""

    def join(pieces: Iterable[bytes], stream: BinaryIO) -> None:
        join_parquet(filter(None, pieces), stream, empty=tables.of([]))

    return ChunkedWriter(encode, join)


@contextmanager
def _delimited(stream: BinaryIO, delimiter: str, source: Table, added: Mapping[str, type]) -> Iterator[WriteRows]:
    columns = (*source.columns, *added)
    # csv quotes a carriage return only where the line's end has one, and unquoted it cannot be read back.
    writer = csv.writer(_Lines(stream), delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)

    def write(rows: Sequence[Row]) -> None:
        _known_columns(rows, columns, source.path)
        for row in rows:
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
                stream.write(_json_line(dict(row.values)))
            except ValueError as error:
                problem = f"JSON has no NaN and no infinity ({error}); use csv or parquet (--output-format)"
                raise TableError(path, problem, line=row.line) from error

    yield write


@contextmanager
def _parquet(stream: BinaryIO, source: Table, added: Mapping[str, type]) -> Iterator[WriteRows]:
    arrow = pyarrow()
    tables = ArrowTables(source, added)
    writer: Any = None

    def write(rows: Sequence[Row]) -> None:
        nonlocal writer
        _known_columns(rows, (*source.columns, *added), source.path)
        table = tables.of(rows)
        writer = writer or arrow.parquet.ParquetWriter(stream, table.schema)
        writer.write_table(table)

    try:
        yield write
        if writer is None:
            write([])
    finally:
        if writer is not None:
            writer.close()


def reject_line(bad: BadRow) -> bytes:
    """A bad row as a line of a rejects file: JSON with line, column, reason, and row (null: it cannot be read)."""
    error = bad.error
    told = {"line": error.line, "column": error.column, "reason": error.problem}
    row = dict(bad.values) if isinstance(bad.values, Mapping) else bad.values
    try:
        return _json_line({**told, "row": row})
    except ValueError:  # what JSON does not hold is given as a csv would
        return _json_line({**told, "row": {name: _cell(value) for name, value in row.items()}})


def _json_line(record: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(record, ensure_ascii=False, allow_nan=False, default=_cell)}\n".encode()


def _known_columns(rows: Sequence[Row], columns: Sequence[str], path: Path) -> None:
    for row in rows:
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
