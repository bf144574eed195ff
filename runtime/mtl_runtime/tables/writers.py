"""rows -> csv, tsv, jsonl or parquet file.

:func:`mtl_runtime.tables.readers.open_table` reads the same rows back from csv, tsv and jsonl.
"""

import csv
import functools
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mtl_runtime.errors import TableError
from mtl_runtime.tables.arrow import ArrowTables, join_parquet, table_from_bytes, table_to_bytes
from mtl_runtime.tables.delimited.reader import DEFAULT_SEPARATORS
from mtl_runtime.tables.table import BadRow, Row, Table, TableFormat, pyarrow
from mtl_runtime.wording import shorten

__all__ = [
    "ChunkedWriter",
    "WriteRows",
    "check_rows",
    "check_writable",
    "encode_empty_piece",
    "open_chunked_writer",
    "open_writer",
    "reject_line",
]

WriteRows = Callable[[Sequence[Row]], None]


def check_writable(format: TableFormat, path: Path) -> TableFormat:
    """Check that ``format`` can be written.

    Raises:
        TableError: the format is txt, which has one text per line and no room for answers.
    """
    if format == "txt":
        raise TableError(
            path,
            "txt has no columns, so it cannot be an output format; use csv, tsv, jsonl or parquet (--output-format)",
        )
    return format


def check_rows(rows: Sequence[Row], format: TableFormat, *, source: Table, added: Mapping[str, type]) -> None:
    """Check the first rows of a table, before they are answered, for what ``format`` cannot hold.

    Raises:
        TableError: a row has a column that the others lack, or a value that does not fit; the message names it.
    """
    if format == "jsonl" or not rows:
        return
    _require_known_columns(rows, frozenset(source.columns), source.path)
    if format == "parquet":
        ArrowTables(source, added).decide_schema(rows)


def open_writer(
    stream: BinaryIO, format: TableFormat, *, source: Table, added: Mapping[str, type]
) -> AbstractContextManager[WriteRows]:
    """Open a table for writing; the block gets a function that writes rows.

    Args:
        stream: where the bytes go.
        format: any but txt.
        source: the table that the rows come from; its columns come first, in their order. A csv made from a csv has its
            separator and its header.
        added: the columns after them, each ``str`` or ``float``.

    Raises:
        TableError: while writing, a row has a value or column that the format cannot hold.
        MissingPackageError: the format is parquet and pyarrow is not installed.
    """
    check_writable(format, source.path)
    if format == "jsonl":
        return _write_jsonl(stream, source.path)
    if format == "parquet":
        return _write_parquet(stream, source, added)
    return _write_delimited(stream, _choose_separator(format, source), source, added)


def _choose_separator(format: TableFormat, source: Table) -> str:
    return (source.separator if source.format == format else None) or DEFAULT_SEPARATORS[format]


@dataclass(frozen=True, slots=True)
class ChunkedWriter:
    """Writes a table in pieces, which several processes may do one after the other."""

    encode: Callable[[Sequence[Row]], bytes]  # the rows of a piece
    # Makes the file from the pieces; None: it is simply their bytes one after the other.
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
        earlier: pieces of this table that were already written; the first that is not empty decides header or schema.
    """
    first_piece = next((piece for piece in earlier if piece), None)
    if check_writable(format, source.path) == "parquet":
        yield _chunk_parquet(source, added, first_piece)
        return
    sink = io.BytesIO()
    with open_writer(sink, format, source=source, added=added) as write:
        if first_piece is not None:
            _drain(sink)  # the first piece has the header

        def encode(rows: Sequence[Row]) -> bytes:
            write(rows)
            return _drain(sink)

        yield ChunkedWriter(encode)


def encode_empty_piece(rows: Sequence[Row], *, source: Table, added: Mapping[str, type]) -> bytes:
    """Encode a piece of a parquet file that has no rows, and the schema that ``rows``, the first of a table, decide.

    Raises:
        TableError: as :func:`check_rows`.
    """
    tables = ArrowTables(source, added)
    tables.decide_schema(rows)
    return table_to_bytes(tables.of([]))


def _drain(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


def _chunk_parquet(source: Table, added: Mapping[str, type], first_piece: bytes | None) -> ChunkedWriter:
    """Write Arrow tables that are joined in the end, since nothing can be appended to a parquet file."""
    pyarrow()
    tables = ArrowTables(source, added, schema=None if first_piece is None else table_from_bytes(first_piece).schema)

    known = frozenset((*source.columns, *added))

    def encode(rows: Sequence[Row]) -> bytes:
        _require_known_columns(rows, known, source.path)
        return table_to_bytes(tables.of(rows)) if rows else b""

    def join(pieces: Iterable[bytes], stream: BinaryIO) -> None:
        join_parquet(filter(None, pieces), stream, empty=tables.of([]))

    return ChunkedWriter(encode, join)


@contextmanager
def _write_delimited(stream: BinaryIO, separator: str, source: Table, added: Mapping[str, type]) -> Iterator[WriteRows]:
    columns = (*source.columns, *added)
    known = frozenset(columns)
    # csv quotes a carriage return only if the line's end has one, and without quotes it cannot be read back.
    open_csv = functools.partial(csv.writer, _Lines(stream), delimiter=separator, lineterminator="\r\n")
    writer = open_csv()
    # Between tabs, quotes around all cells distinguish a row with a line break in a cell from two rows.
    quoting_writer = open_csv(quoting=csv.QUOTE_ALL) if separator == "\t" else writer
    writer.writerow((*(source.header or source.columns), *added))

    def write(rows: Sequence[Row]) -> None:
        _require_known_columns(rows, known, source.path)
        for row in rows:
            with _refuse_deep_values(source.path, row):
                cells = [_to_cell(row.values.get(name)) for name in columns]
            (quoting_writer if any("\n" in cell for cell in cells) else writer).writerow(cells)

    yield write


@dataclass(frozen=True, slots=True)
class _Lines:
    """Receives rows from csv and ends them with a plain newline."""

    stream: BinaryIO

    def write(self, line: str) -> int:
        return self.stream.write(f"{line[:-2]}\n".encode())


@contextmanager
def _write_jsonl(stream: BinaryIO, path: Path) -> Iterator[WriteRows]:
    def write(rows: Sequence[Row]) -> None:
        for row in rows:
            with _refuse_deep_values(path, row):
                try:
                    line = _to_json_line(dict(row.values))
                except ValueError as error:
                    problem = f"JSON has no NaN and no infinity ({error}); use csv or parquet (--output-format)"
                    raise TableError(path, problem, line=row.line) from error
            stream.write(line)

    yield write


@contextmanager
def _refuse_deep_values(path: Path, row: Row) -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise TableError(path, "a value is nested too deeply to be written", line=row.line) from error


@contextmanager
def _write_parquet(stream: BinaryIO, source: Table, added: Mapping[str, type]) -> Iterator[WriteRows]:
    arrow = pyarrow()
    tables, known = ArrowTables(source, added), frozenset((*source.columns, *added))
    writer: Any = None

    def write(rows: Sequence[Row]) -> None:
        nonlocal writer
        _require_known_columns(rows, known, source.path)
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
    """Write a bad row as a line of a rejects file: JSON with line, column, reason and row (null: unreadable)."""
    error = bad.error
    facts = {"line": error.line, "column": error.column, "reason": error.problem}
    row = dict(bad.values) if isinstance(bad.values, Mapping) else bad.values
    try:
        return _to_json_line({**facts, "row": row})
    except ValueError:  # values that JSON cannot hold are written as in a csv
        return _to_json_line({**facts, "row": {name: _to_cell(value) for name, value in row.items()}})


def _to_json_line(record: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(record, ensure_ascii=False, allow_nan=False, default=_to_cell)}\n".encode()


def _require_known_columns(rows: Sequence[Row], columns: frozenset[str], path: Path) -> None:
    for row in rows:
        if not columns.issuperset(row.values):
            name = shorten(next(name for name in row.values if name not in columns), 60)
            problem = f"the first record has no key {name!r}, and this output format has fixed columns"
            raise TableError(path, f"{problem}; use --output-format jsonl", line=row.line)


def _to_cell(value: Any) -> str:
    """Write a value as a csv cell: str unchanged, None empty, Arrow's own types as Arrow does, else JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=_to_cell)
    if hasattr(value, "as_py"):
        return _to_cell(value.cast("string").as_py())
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
