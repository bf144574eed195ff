"""csv, tsv, jsonl, parquet or text file -> rows, each with its line number; malformed input names its place.

A row's values are str in csv, tsv and txt, JSON values in jsonl, and Python values in parquet.
A txt file has one column, ``text``, and a row for each line.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn, get_args

from mtl_runtime.errors import MissingPackageError, TableError

__all__ = ["FORMATS", "OnBad", "Row", "Table", "TableFormat", "format_of", "open_table", "pyarrow"]

TableFormat = Literal["csv", "tsv", "jsonl", "parquet", "txt"]
FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)
_SUFFIXES: Mapping[str, TableFormat] = {f".{name}": name for name in FORMATS} | {".ndjson": "jsonl"}
_PARQUET_ROWS = 1024

# Called with the error of a row that cannot be read; if it returns, the row is left out.
OnBad = Callable[[TableError], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One record and where it stands: ``line`` is 1-based (parquet: the row's number)."""

    line: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """An open table; ``rows`` can be iterated once, in bounded memory."""

    path: Path
    format: TableFormat
    columns: tuple[str, ...]  # jsonl: the keys of the first record
    rows: Iterator[Row]
    schema: Any = None  # parquet: the file's Arrow schema

    def require(self, column: str, *, hint: str = "") -> None:
        """Make sure that ``column`` exists; ``hint`` says what else the caller can do.

        Raises:
            TableError: it does not; the message lists those that do.
        """
        if column not in self.columns:
            raise TableError(
                self.path,
                f"there is no column {column!r}; the columns are: {', '.join(self.columns) or 'none'}"
                f"{_separator(self.columns)}{hint}",
                line=1,
            )


def _separator(columns: tuple[str, ...]) -> str:
    """A header that was not cut is one column with the marks of another format in it."""
    (header,) = columns if len(columns) == 1 else ("",)
    for mark, mend in ((";", "save it with commas"), ("\t", "name it .tsv"), ("|", "save it with commas")):
        if mark in header:
            return f" (is the file separated by {mark!r}? {mend})"
    return ""


def format_of(path: Path) -> TableFormat:
    """Format of a file by its suffix.

    Raises:
        TableError: the suffix is unknown.
    """
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        if path.is_dir():
            raise TableError(path, "this is a folder; name a file") from None
        raise TableError(path, f"unknown suffix {path.suffix!r}; use one of {', '.join(_SUFFIXES)}") from None


@contextmanager
def open_table(
    path: Path,
    *,
    format: TableFormat | None = None,
    stream: BinaryIO | None = None,
    on_bad: OnBad | None = None,
) -> Iterator[Table]:
    """Open the table in file ``path``, or in ``stream`` under that name.

    Args:
        path: the file; its suffix tells the format unless ``format`` is given.
        format: read as this format.
        stream: read from here instead of the file.
        on_bad: what to do with a row that cannot be read; default: raise its TableError.

    Raises:
        TableError: the file is missing, empty, not UTF-8, or has a malformed header; or, while iterating,
            a row is malformed and ``on_bad`` is not given.
        MissingPackageError: parquet, and pyarrow is not installed.
    """
    kind = format_of(path) if format is None else format
    if stream is not None:
        yield _READERS[kind](path, kind, stream, on_bad or _raise)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise TableError(path, f"cannot be opened: {error.strerror}") from error
    with file:
        yield _READERS[kind](path, kind, file, on_bad or _raise)


def pyarrow() -> Any:
    """The module pyarrow with pyarrow.parquet loaded.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackageError("parquet needs pyarrow; run `pip install 'mtl-export[parquet]'`") from error
    return pyarrow


def _raise(error: TableError) -> NoReturn:
    raise error


def _lines(path: Path, stream: BinaryIO) -> Iterator[str]:
    """Lines with their ends, decoded one by one so that a wrong byte is found in its line."""
    for number, raw in enumerate(stream, 1):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise TableError(path, "the file is UTF-16; save it as UTF-8", line=1)
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            problem = f"byte 0x{line[error.start]:02x} at position {error.start} is not UTF-8"
            raise TableError(path, f"{problem}; save the file as UTF-8", line=number) from error


def _read_delimited(path: Path, kind: TableFormat, stream: BinaryIO, on_bad: OnBad) -> Table:
    delimiter = {"csv": ",", "tsv": "\t"}[kind]
    reader = csv.reader(_lines(path, stream), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise TableError(path, f"malformed header: {error}", line=1) from error
    if not header:
        raise TableError(path, "the file is empty; its first line must name the columns", line=1)
    for name in header:
        if not name.strip() or header.count(name) > 1:
            raise TableError(path, f"column names must be distinct and not empty: {header}", line=1)
    return Table(path, kind, tuple(header), _delimited_rows(path, reader, header, on_bad))


def _delimited_rows(path: Path, reader: Any, header: list[str], on_bad: OnBad) -> Iterator[Row]:
    blank_lines: list[int] = []  # forgiven at the end of the file, bad before a further row
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # An open quote swallows lines up to csv's field limit: say how far, so that none is lost unseen.
            end = max(line, reader.line_num)
            lost = f"; lines {line} to {end} are lost in it" if end > line else ""
            on_bad(TableError(path, f"{error} (is a quote left open?{lost})", line=line))
            continue
        if not cells and len(header) == 1:
            cells = [""]
        if not cells:
            blank_lines.append(line)
            continue
        while blank_lines:
            on_bad(TableError(path, "the line is blank", line=blank_lines.pop(0)))
        if len(cells) != len(header):
            problem = f"the row has {len(cells)} cells, the header has {len(header)}"
            on_bad(TableError(path, f"{problem}; quote cells that hold a delimiter", line=line))
            continue
        yield Row(line, dict(zip(header, cells, strict=True)))


def _read_jsonl(path: Path, kind: TableFormat, stream: BinaryIO, on_bad: OnBad) -> Table:
    rows = _jsonl_rows(path, stream, on_bad)
    first = next(rows, None)
    if first is None:
        raise TableError(path, "the file holds no record; each line must be a JSON object", line=1)
    return Table(path, kind, tuple(first.values), _chain(first, rows))


def _chain(first: Row, rest: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rest


def _jsonl_rows(path: Path, stream: BinaryIO, on_bad: OnBad) -> Iterator[Row]:
    for line, text in enumerate(_lines(path, stream), 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text, parse_constant=_no_constant)
            if "\\u" in text:
                json.dumps(record, ensure_ascii=False).encode()  # an escaped lone surrogate is no text
        except UnicodeEncodeError:
            on_bad(TableError(path, "an escape such as \\ud800 is a lone surrogate, not valid Unicode", line=line))
            continue
        except (ValueError, RecursionError) as error:
            on_bad(TableError(path, f"not valid JSON: {error}", line=line))
            continue
        if not isinstance(record, dict):
            on_bad(TableError(path, f"expected a JSON object, found {type(record).__name__}", line=line))
            continue
        yield Row(line, record)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _read_txt(path: Path, kind: TableFormat, stream: BinaryIO, _on_bad: OnBad) -> Table:
    rows = (Row(line, {"text": text.rstrip("\r\n")}) for line, text in enumerate(_lines(path, stream), 1))
    return Table(path, kind, ("text",), rows)


def _read_parquet(path: Path, kind: TableFormat, stream: BinaryIO, _on_bad: OnBad) -> Table:
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
    return Table(path, kind, names, _parquet_rows(path, file), schema=file.schema_arrow)


def _parquet_rows(path: Path, file: Any) -> Iterator[Row]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
            columns = [_python_values(column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                number += 1
                yield Row(number, dict(zip(batch.schema.names, cells, strict=True)))
    except (pyarrow().ArrowException, OSError) as error:
        raise TableError(path, f"damaged after row {number}: {error}", line=number) from error


def _python_values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except ValueError:  # no Python type holds a nanosecond: the Arrow values themselves lose nothing
        return list(column)
    return values


_READERS: Mapping[TableFormat, Callable[[Path, TableFormat, BinaryIO, OnBad], Table]] = {
    "csv": _read_delimited,
    "tsv": _read_delimited,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "txt": _read_txt,
}
