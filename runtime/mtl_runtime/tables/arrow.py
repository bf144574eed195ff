"""rows -> Arrow tables of one schema -> a parquet file, or bytes that are joined into one later."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from mtl_runtime.errors import TableError
from mtl_runtime.tables.table import Row, Table, pyarrow

__all__ = ["ArrowTables", "join_parquet", "table_from_bytes", "table_to_bytes"]

# Chunks make small row groups, which are slow to read and whose statistics say little.
_GROUP_ROWS = 2**16
_GROUP_BYTES = 2**26


class ArrowTables:
    """Turns rows into tables that have the schema of ``source`` and the columns ``added`` (``str`` or ``float``).

    If the source has no schema, the first rows decide it, unless ``schema`` is given: the one that an earlier object
    for this source used.
    """

    def __init__(self, source: Table, added: Mapping[str, type], *, schema: Any = None) -> None:
        self._source, self._added, self._schema = source, added, schema

    def of(self, rows: Sequence[Row]) -> Any:
        """Make a table of ``rows``.

        Raises:
            TableError: a column changes its type.
        """
        arrow = pyarrow()
        try:
            if self._schema is None:
                self._schema = self._first_schema(rows)
            arrays = [
                arrow.array([row.values.get(field.name) for row in rows], type=field.type) for field in self._schema
            ]
            return arrow.table(arrays, schema=self._schema)
        except (arrow.ArrowException, OverflowError) as error:
            first, last = (rows[0].line, rows[-1].line) if rows else (0, 0)
            problem = f"a column does not keep one type in lines {first} to {last} ({error})"
            raise TableError(self._source.path, f"{problem}; use --output-format jsonl") from error

    def _first_schema(self, rows: Sequence[Row]) -> Any:
        arrow = pyarrow()
        types = {str: arrow.string(), float: arrow.float64()}
        old = self._source.schema or _infer_schema(rows, self._source.columns)
        new = [arrow.field(name, types[kind]) for name, kind in self._added.items()]
        return arrow.schema([*old, *new], metadata=old.metadata)


def _infer_schema(rows: Sequence[Row], columns: Sequence[str]) -> Any:
    """Find the Arrow schema that fits the first rows of a source without one."""
    arrow = pyarrow()
    arrays = {name: arrow.array([row.values.get(name) for row in rows]) for name in columns}
    # A column without values so far is most likely text.
    return arrow.schema(
        [(name, arrow.string() if array.type == arrow.null() else array.type) for name, array in arrays.items()]
    )


def table_to_bytes(table: Any) -> bytes:
    """Write ``table`` with its schema as an Arrow IPC stream."""
    arrow = pyarrow()
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def table_from_bytes(data: bytes) -> Any:
    """Read what :func:`table_to_bytes` wrote."""
    return pyarrow().ipc.open_stream(data).read_all()


def join_parquet(parts: Iterable[bytes], stream: BinaryIO, *, empty: Any) -> None:
    """Write tables, each the bytes from :func:`table_to_bytes`, as one parquet file; memory holds one row group.

    Args:
        parts: tables of one schema, in their order.
        stream: where the file goes.
        empty: a table without rows, which gives the file its schema if there are no parts.
    """
    arrow = pyarrow()
    writer: Any = None
    pending: list[Any] = []
    try:
        for part in parts:
            pending.append(table_from_bytes(part))
            writer = writer or arrow.parquet.ParquetWriter(stream, pending[0].schema)
            full = sum(table.nbytes for table in pending) >= _GROUP_BYTES
            if full or sum(table.num_rows for table in pending) >= _GROUP_ROWS:
                writer.write_table(arrow.concat_tables(pending))
                pending.clear()
        writer = writer or arrow.parquet.ParquetWriter(stream, empty.schema)
        writer.write_table(arrow.concat_tables(pending or [empty]))
    finally:
        if writer is not None:
            writer.close()
