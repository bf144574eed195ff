"""csv, tsv, jsonl, parquet or text file -> Table of rows, read one by one; an error about a row names its line.

How each format is read, with its edges: docs/data.md.
"""

import dataclasses
import logging
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import fstat
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.errors import TableError
from mtl_runtime.tables.delimited.reader import read_delimited
from mtl_runtime.tables.json_lines import read_jsonl
from mtl_runtime.tables.parquet import read_parquet
from mtl_runtime.tables.plain_text import read_txt
from mtl_runtime.tables.table import Table, TableFormat, TableRange, TableSource, format_of
from mtl_runtime.tables.text_lines import DEFAULT_MAX_ROW_BYTES

__all__ = ["open_table"]

_log = logging.getLogger(__name__)


@contextmanager
def open_table(
    path: Path,
    *,
    format: TableFormat | None = None,
    stream: BinaryIO | None = None,
    columns: Sequence[str] = (),
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
    range: TableRange | None = None,
) -> Iterator[Table]:
    """Open the table in the file ``path``, or in ``stream`` under that name.

    Args:
        path: the file; its suffix decides the format unless ``format`` is given.
        format: read as this format.
        stream: read from here instead of the file.
        columns: that the caller will ask for. They show what separates the cells of a csv or tsv, and how many records
            of a jsonl must be read to know its columns.
        max_row_bytes: longest row that is read; the memory holds more than one.
        range: only these rows of ``stream``, which can seek.

    Raises:
        TableError: the file is missing or empty, or its header is malformed; while iterating: the file is damaged,
            or a row is too long.
        MissingPackageError: the format is parquet and pyarrow is not installed.
    """
    kind = format_of(path) if format is None else format
    _log.debug("reading %s as %s", path, kind)
    if stream is not None:
        yield _READERS[kind](TableSource(path, kind, stream, columns, max_row_bytes, range))
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise TableError(path, f"cannot be opened: {error.strerror}") from error
    with file:
        table = _READERS[kind](TableSource(path, kind, file, columns, max_row_bytes))
        facts = fstat(file.fileno())
        if kind != "parquet" and stat.S_ISREG(facts.st_mode):
            table = dataclasses.replace(table, share=lambda _records: min(1.0, file.tell() / max(1, facts.st_size)))
        yield table


_READERS: Mapping[TableFormat, Callable[[TableSource], Table]] = {
    "csv": read_delimited,
    "tsv": read_delimited,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "txt": read_txt,
}
