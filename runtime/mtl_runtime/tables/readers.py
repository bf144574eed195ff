"""csv, tsv, jsonl, parquet or text file -> Table of rows, read one by one; an error about a row names its line."""

import csv
import dataclasses
import json
import logging
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from os import fstat
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from mtl_runtime.errors import EncodingError, TableError
from mtl_runtime.tables.table import BadRow, Row, Table, TableFormat, format_of, pyarrow

__all__ = ["open_table"]

_log = logging.getLogger(__name__)

_PARQUET_ROWS = 1024
_MAX_LEADING_BAD_LINES = 1024  # a file that starts with so many lines that are no records is not jsonl


@contextmanager
def open_table(path: Path, *, format: TableFormat | None = None, stream: BinaryIO | None = None) -> Iterator[Table]:
    """Open the table in the file ``path``, or in ``stream`` under that name.

    Args:
        path: the file; its suffix decides the format unless ``format`` is given.
        format: read as this format.
        stream: read from here instead of the file.

    Raises:
        TableError: the file is missing or empty, or its header is malformed; while iterating: the file is damaged.
        MissingPackageError: the format is parquet and pyarrow is not installed.
    """
    kind = format_of(path) if format is None else format
    _log.debug("reading %s as %s", path, kind)
    if stream is not None:
        yield _READERS[kind](path, kind, stream)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise TableError(path, f"cannot be opened: {error.strerror}") from error
    with file:
        table = _READERS[kind](path, kind, file)
        facts = fstat(file.fileno())
        if kind != "parquet" and stat.S_ISREG(facts.st_mode):
            table = dataclasses.replace(table, share=lambda _records: min(1.0, file.tell() / max(1, facts.st_size)))
        yield table


class _Lines:
    """Lines with their ends, decoded one by one, so that a byte that is not UTF-8 is reported with its line.

    Such a line is yielded all the same, so that it spoils no other row; ``take_problem`` returns the error.
    """

    def __init__(self, path: Path, stream: Iterable[bytes]) -> None:
        self._path, self._lines = path, iter(stream)
        self._number = 0
        self._problem: TableError | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._number += 1
        if self._number == 1:
            if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise EncodingError(self._path, "the file is UTF-16; save it as UTF-8", line=1)
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            problem = f"byte 0x{line[error.start]:02x} at position {error.start} is not UTF-8"
            self._problem = EncodingError(self._path, f"{problem}; save the file as UTF-8", line=self._number)
            return line.decode("utf-8", "surrogateescape")

    def take_problem(self) -> TableError | None:
        """Return the error about the lines since the last call, if there is one."""
        problem, self._problem = self._problem, None
        return problem


def _read_delimited(path: Path, kind: TableFormat, stream: BinaryIO) -> Table:
    delimiter = {"csv": ",", "tsv": "\t"}[kind]
    lines = _Lines(path, stream)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise TableError(path, f"malformed header: {error}", line=1) from error
    if (problem := lines.take_problem()) is not None:
        raise problem
    if not header:
        raise TableError(path, "the file is empty; its first line must name the columns", line=1)
    for name in header:
        if not name.strip() or header.count(name) > 1:
            raise TableError(path, f"column names must be distinct and not empty: {header}", line=1)
    return Table(path, kind, tuple(header), _iter_delimited(path, reader, header, lines))


def _iter_delimited(path: Path, reader: Any, header: list[str], lines: _Lines) -> Iterator[Row | BadRow]:
    blanks = 0  # blank lines just before this one: ignored at the end of the file, bad before another row
    while True:
        line = reader.line_num + 1
        cells: list[str] = []
        csv_error: csv.Error | None = None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            csv_error = error
        problem = lines.take_problem()
        if not cells and len(header) == 1:
            cells = [""]
        if not cells and csv_error is None:
            blanks += 1
            continue
        for blank in range(line - blanks, line):
            yield BadRow(TableError(path, "the line is blank", line=blank))
        blanks = 0
        if csv_error is not None:
            yield BadRow(_describe_csv_error(path, csv_error, line, reader.line_num))
        elif problem is not None:
            yield BadRow(problem)
        elif len(cells) != len(header):
            message = f"the row has {len(cells)} cells, the header has {len(header)}; quote cells that hold a delimiter"
            yield BadRow(TableError(path, message, line=line), cells)
        else:
            yield Row(line, dict(zip(header, cells, strict=True)))


def _describe_csv_error(path: Path, error: csv.Error, line: int, end: int) -> TableError:
    """Report which lines an open quote swallowed (up to csv's field limit), so that none is lost silently."""
    lost = f"; lines {line} to {end} are lost in it" if end > line else ""
    return TableError(path, f"{error} (is a quote left open?{lost})", line=line)


def _read_jsonl(path: Path, kind: TableFormat, stream: BinaryIO) -> Table:
    records = _iter_jsonl(path, _Lines(path, stream))
    leading = []
    for record in islice(records, _MAX_LEADING_BAD_LINES):
        leading.append(record)
        if isinstance(record, Row):
            return Table(path, kind, tuple(record.values), chain(leading, records))
    for record in leading:
        if isinstance(record, BadRow):
            raise record.error
    raise TableError(path, "the file holds no record; each line must be a JSON object", line=1)


def _iter_jsonl(path: Path, lines: _Lines) -> Iterator[Row | BadRow]:
    for line, text in enumerate(lines, 1):
        if (problem := lines.take_problem()) is not None:
            yield BadRow(problem)
        elif text.strip():
            yield _parse_jsonl_record(path, line, text)


def _parse_jsonl_record(path: Path, line: int, text: str) -> Row | BadRow:
    try:
        record = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(record, ensure_ascii=False).encode()  # fails on an escaped lone surrogate, which is not text
    except UnicodeEncodeError:
        problem = "an escape such as \\ud800 is a lone surrogate, not valid Unicode"
    except (ValueError, RecursionError) as error:
        problem = f"not valid JSON: {error}"
    else:
        if isinstance(record, dict):
            return Row(line, record)
        problem = f"expected a JSON object, found {type(record).__name__}"
    return BadRow(TableError(path, problem, line=line), text.rstrip("\r\n"))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _read_txt(path: Path, kind: TableFormat, stream: BinaryIO) -> Table:
    return Table(path, kind, ("text",), _iter_txt(_Lines(path, stream)))


def _iter_txt(lines: _Lines) -> Iterator[Row | BadRow]:
    for line, text in enumerate(lines, 1):
        problem = lines.take_problem()
        yield Row(line, {"text": text.rstrip("\r\n")}) if problem is None else BadRow(problem)


def _read_parquet(path: Path, kind: TableFormat, stream: BinaryIO) -> Table:
    arrow = pyarrow()
    if not stream.seekable():
        raise TableError(path, "parquet cannot be read from a pipe; give a file")
    try:
        file = arrow.parquet.ParquetFile(stream)
    except (arrow.ArrowException, OSError) as error:
        raise TableError(path, f"not a parquet file: {error}") from error
    names = tuple(file.schema_arrow.names)
    if len(set(names)) != len(names):
        raise TableError(path, f"column names must be distinct: {list(names)}")
    total = max(1, file.metadata.num_rows)
    records = _iter_parquet(path, file)
    return Table(path, kind, names, records, schema=file.schema_arrow, share=lambda count: count / total)


def _iter_parquet(path: Path, file: Any) -> Iterator[Row]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
            columns = [_to_python_values(column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                number += 1
                yield Row(number, dict(zip(batch.schema.names, cells, strict=True)))
    except (pyarrow().ArrowException, OSError) as error:
        raise TableError(path, f"damaged after row {number}: {error}", line=number) from error


def _to_python_values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except ValueError:  # no Python type holds a nanosecond: the Arrow values themselves lose nothing
        return list(column)
    return values


_READERS: Mapping[TableFormat, Callable[[Path, TableFormat, BinaryIO], Table]] = {
    "csv": _read_delimited,
    "tsv": _read_delimited,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "txt": _read_txt,
}
