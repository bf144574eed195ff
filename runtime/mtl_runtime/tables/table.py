"""An open table: rows with their line numbers, and the bad rows among them.

A row's values are str in csv, tsv and txt, JSON values in jsonl, and Python values in parquet.
A txt file has one column, ``text``, and a row for each line.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from mtl_runtime.errors import MissingPackageError, TableError

__all__ = ["FORMATS", "BadRow", "Row", "Table", "TableFormat", "format_of", "pyarrow"]

TableFormat = Literal["csv", "tsv", "jsonl", "parquet", "txt"]
FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)
_SUFFIXES: Mapping[str, TableFormat] = {f".{name}": name for name in FORMATS} | {".ndjson": "jsonl"}


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
    columns: tuple[str, ...]  # jsonl: the keys of the first record
    records: Iterator[Row | BadRow]  # in the table's order
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
        """Check that ``column`` exists; ``hint`` says what else the caller can do.

        Raises:
            TableError: it does not exist; the message lists the columns that do.
        """
        if column not in self.columns:
            raise TableError(
                self.path,
                f"there is no column {column!r}; the columns are: {', '.join(self.columns) or 'none'}"
                f"{_suggest_separator(self.columns)}{hint}",
                line=1,
            )


def _suggest_separator(columns: tuple[str, ...]) -> str:
    """Suggest another separator if the header is a single column that contains one."""
    (header,) = columns if len(columns) == 1 else ("",)
    for mark, remedy in ((";", "save it with commas"), ("\t", "name it .tsv"), ("|", "save it with commas")):
        if mark in header:
            return f" (is the file separated by {mark!r}? {remedy})"
    return ""


def format_of(path: Path) -> TableFormat:
    """Find the format of a file by its suffix.

    Raises:
        TableError: the suffix is unknown.
    """
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        if path.is_dir():
            raise TableError(path, "this is a folder; name a file") from None
        raise TableError(path, f"unknown suffix {path.suffix!r}; use one of {', '.join(_SUFFIXES)}") from None


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
