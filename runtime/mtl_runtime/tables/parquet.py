"""parquet file -> Table; rows are numbered from 1."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtl_runtime.errors import TableError
from mtl_runtime.tables.table import Row, Table, TableSource, pyarrow

__all__ = ["read_parquet"]

_BATCH_ROWS = 1024


def read_parquet(source: TableSource) -> Table:
    """Read the schema; the rows are read as they are asked for.

    Raises:
        TableError: the file is no parquet, or comes through a pipe, or two columns have one name.
        MissingPackageError: pyarrow is not installed.
    """
    arrow = pyarrow()
    path = source.path
    if not source.stream.seekable():
        raise TableError(path, "parquet cannot be read from a pipe; give a file")
    try:
        file = arrow.parquet.ParquetFile(source.stream)
    except (arrow.ArrowException, OSError) as error:
        raise TableError(path, f"not a parquet file: {error}") from error
    names = tuple(file.schema_arrow.names)
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        raise TableError(path, f"several columns are named {', '.join(map(repr, repeated))}; rename all but one")
    total = max(1, file.metadata.num_rows)
    records = _iter_rows(path, file)
    return Table(path, source.format, names, records, schema=file.schema_arrow, share=lambda count: count / total)


def _iter_rows(path: Path, file: Any) -> Iterator[Row]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
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
