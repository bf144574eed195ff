"""parquet file -> Table; rows are numbered from 1."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mtl_runtime.errors import TableError
from mtl_runtime.tables.table import Row, Table, TableSource, pyarrow
from mtl_runtime.wording import enumerate_names

__all__ = ["RowGroup", "list_row_groups", "read_parquet"]

_BATCH_ROWS = 1024
_BATCH_CELLS = 2**21


def read_parquet(source: TableSource) -> Table:
    """Read the schema; the rows are read as they are asked for.

    Raises:
        TableError: the file is no parquet, or comes through a pipe, or two columns have one name.
        MissingPackageError: pyarrow is not installed.
    """
    path, file = source.path, _open_file(source)
    names = tuple(file.schema_arrow.names)
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        described = enumerate_names([repr(name) for name in repeated])
        raise TableError(path, f"several columns are named {described}; rename all but one")
    groups = (
        range(file.metadata.num_row_groups) if source.range is None else range(source.range.start, source.range.stop)
    )
    total = max(1, sum(file.metadata.row_group(group).num_rows for group in groups))
    records = _iter_rows(source, file, groups, len(names))
    return Table(path, source.format, names, records, schema=file.schema_arrow, share=lambda count: count / total)


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows of a parquet file that are stored together."""

    rows: int
    bytes: int  # unpacked


def list_row_groups(source: TableSource) -> list[RowGroup]:
    """Read the sizes of the row groups from the footer, in their order.

    Raises:
        TableError, MissingPackageError: as :func:`read_parquet`.
    """
    metadata = _open_file(source).metadata
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    return [RowGroup(group.num_rows, group.total_byte_size) for group in groups]


def _open_file(source: TableSource) -> Any:
    arrow = pyarrow()
    if not source.stream.seekable():
        raise TableError(source.path, "parquet cannot be read from a pipe; give a file")
    try:
        return arrow.parquet.ParquetFile(source.stream)
    except (arrow.ArrowException, OSError) as error:
        raise TableError(source.path, f"not a parquet file: {error}") from error


def _iter_rows(source: TableSource, file: Any, groups: Sequence[int], width: int) -> Iterator[Row]:
    number = 0 if source.range is None else source.range.lines_before
    batch_rows = max(1, min(_BATCH_ROWS, _BATCH_CELLS // max(1, width)))
    try:
        for batch in file.iter_batches(batch_size=batch_rows, row_groups=groups):
            _require_short_rows(source, batch, number)
            columns = [_to_python_values(column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                number += 1
                yield Row(number, dict(zip(batch.schema.names, cells, strict=True)))
    except (pyarrow().ArrowException, OSError) as error:
        raise TableError(source.path, f"damaged after row {number}: {error}", line=number) from error


def _require_short_rows(source: TableSource, batch: Any, before: int) -> None:
    """Refuse a row of more bytes than may be read; a small file may hold it, since parquet is compressed."""
    if batch.nbytes <= source.max_row_bytes:
        return
    for index in range(batch.num_rows):
        if batch.slice(index, 1).nbytes > source.max_row_bytes:
            problem = f"the row has more than {source.max_row_bytes:,} bytes"
            advice = "max_row_bytes (--max-row-bytes) raises the limit"
            raise TableError(source.path, f"{problem}; {advice}", line=before + index + 1)


def _to_python_values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except ValueError:  # no Python type holds a nanosecond: the Arrow values themselves lose nothing
        return list(column)
    return values
