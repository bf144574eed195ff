"""An open table: rows with their line numbers, and the bad rows among them.

A row's values are str in csv, tsv and txt, JSON values in jsonl, and Python values in parquet.
A txt file has one column, ``text``, and a row for each line.
"""

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from mtl_runtime.errors import MissingColumnError, MissingPackageError, TableError
from mtl_runtime.tables.delimited.header import describe_first_line
from mtl_runtime.tables.text_lines import DEFAULT_MAX_ROW_BYTES
from mtl_runtime.wording import enumerate_names, shorten

__all__ = [
    "FORMATS",
    "BadRow",
    "Row",
    "Table",
    "TableFormat",
    "TableRange",
    "TableSource",
    "check_can_read_twice",
    "format_of",
    "pyarrow",
]

TableFormat = Literal["csv", "tsv", "jsonl", "parquet", "txt"]
FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)
_SUFFIXES: Mapping[str, TableFormat] = {f".{name}": name for name in FORMATS} | {".ndjson": "jsonl"}
_UNPACK = "unpack it first"
_SAVE_SHEET = "save the sheet as csv in UTF-8"
# Files that people have in place of a table -> what to do.
_ADVICE: Mapping[str, str] = {
    ".json": "name it .jsonl if each line is an object; else `jq -c '.[]' data.json > data.jsonl` writes one per line",
    ".feather": "save it as parquet",
    ".arrow": "save it as parquet",
    **dict.fromkeys((".xlsx", ".xls", ".ods"), _SAVE_SHEET),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip", ".tar"), _UNPACK),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRange:
    """Consecutive rows of a file that are read without the others."""

    start: int  # parquet: the first row group; else a byte, at which a line need not start
    stop: int  # likewise, behind the last one
    header_bytes: int = 0  # csv: the file's bytes before its first row
    lines_before: int = 0  # csv: lines, parquet: rows of the file before these; else unknown, and lines count from 1
    columns: tuple[str, ...] = ()  # jsonl: those of the file


@dataclass(frozen=True, slots=True)
class TableSource:
    """Bytes of a table, and what is known of it before it is read."""

    path: Path  # its name in messages
    format: TableFormat
    stream: BinaryIO
    columns: Sequence[str] = ()  # that the caller will ask for
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES
    range: TableRange | None = None  # None: all rows; else the stream can seek


@dataclass(frozen=True, slots=True)
class Row:
    """One record and its 1-based ``line`` (parquet: the row's number)."""

    line: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that cannot be used, and why."""

    error: TableError  # names the line
    values: Any = None  # as much as could be read: the row's values, its cells, or its line


@dataclass(frozen=True, slots=True)
class Table:
    """An open table; ``records`` can be iterated once, in bounded memory."""

    path: Path
    format: TableFormat
    columns: tuple[str, ...]  # distinct; jsonl: the keys of the first records
    records: Iterator[Row | BadRow]  # in the table's order
    header: tuple[str, ...] = ()  # csv, tsv: the names in the file, where columns may be unnamed or have equal names
    separator: str | None = None  # csv, tsv: what stands between cells
    schema: Any = None  # parquet: the file's Arrow schema
    # Number of records read -> the share of the input that they are, from 0 to 1; None: its size is unknown.
    share: Callable[[int], float | None] = lambda _records: None

    @property
    def rows(self) -> Iterator[Row]:
        """The records; a bad row raises its error."""
        for record in self.records:
            if isinstance(record, BadRow):
                raise record.error
            yield record

    def require(self, column: str, *, hint: str = "") -> None:
        """Check that ``column`` exists, once; ``hint`` says what else the caller can do.

        Raises:
            MissingColumnError: it does not exist; the message lists the columns that do.
            TableError: two columns have this name.
        """
        if column not in self.columns:
            remark = describe_first_line(self.header)
            raise MissingColumnError(self.path, column, self.columns, remark=f"{remark}{hint}")
        if self.header.count(column) > 1:
            places = [f"{number:,}" for number, name in enumerate(self.header, 1) if name == column]
            problem = f"several columns are named {shorten(column, 60)!r}: {enumerate_names(places)}"
            raise TableError(self.path, f"{problem}; rename all but one in the header", line=1)


def check_can_read_twice(path: Path) -> None:
    """Refuse a pipe, a socket or a device, of which nothing is left after it was read once.

    Raises:
        TableError: it is one of them.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # whoever opens it says why
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise TableError(path, "this is a pipe or a device, which can be read only once; save it as a file")


def format_of(path: Path) -> TableFormat:
    """Find the format of a file by its suffix.

    Raises:
        TableError: the suffix is unknown.
    """
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if path.is_dir():
        raise TableError(path, "this is a folder; name a file")
    advice = _ADVICE.get(suffix, f"use one of {', '.join(_SUFFIXES)}")
    raise TableError(path, f"unknown suffix {shorten(path.suffix, 60)!r}; {advice}")


def pyarrow() -> Any:
    """Import pyarrow with pyarrow.parquet.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackageError("parquet needs pyarrow; run `pip install 'mtl-export[parquet]'`") from error
    return pyarrow
