"""rows -> Arrow tables of one schema -> parquet file, or bytes that are put together to one later."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from mtl_runtime.errors import TableError
from mtl_runtime.tables.table import Row, Table, pyarrow

__all__ = ["ArrowTables", "join_parquet", "table_of", "to_bytes"]

# Row groups of chunks are small; reading them is slow and their statistics tell little.
_GROUP_ROWS = 2**16
_GROUP_BYTES = 2**26


class ArrowTables:
    """Makes tables of rows, all with the schema of ``source`` and the columns ``added`` (``str`` or ``float``).

    A source without a schema gets the one that its first rows fit; ``schema`` is the one that an earlier object
    for this source had.
    """

    def __init__(self, source: Table, added: Mapping[str, type], *, schema: Any = None) -> None:
        self._source, self._added, self._schema = source, added, schema

    def of(self, rows: Sequence[Row]) -> Any:
        """The rows as a table.

        Raises:
            TableError: a column does not keep its type.
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
        old = self._source.schema or _schema_of(rows, self._source.columns)
        new = [arrow.field(name, types[kind]) for name, kind in self._added.items()]
        return arrow.schema([*old, *new], metadata=old.metadata)


def _schema_of(rows: Sequence[Row], columns: Sequence[str]) -> Any:
    """Arrow schema that fits the first rows of a source that has none."""
    arrow = pyarrow()
    arrays = {name: arrow.array([row.values.get(name) for row in rows]) for name in columns}
    # A column that is empty so far is most likely text.
    return arrow.schema(
        [(name, arrow.string() if array.type == arrow.null() else array.type) for name, array in arrays.items()]
    )


def to_bytes(table: Any) -> bytes:
    """The table as an Arrow IPC stream: complete in itself, with its schema."""
    arrow = pyarrow()
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def table_of(data: bytes) -> Any:
    """The inverse of :func:`to_bytes`."""
    return pyarrow().ipc.open_stream(data).read_all()


def join_parquet(parts: Iterable[bytes], stream: BinaryIO, *, empty: Any) -> None:
    """Write tables, each as :func:`to_bytes` made it, as one parquet file; memory holds one row group.

    Args:
        parts: tables of one schema, in their order.
        stream: where the file goes.
        empty: a table without rows, whose schema the file has if there are no parts.
    """
    arrow = pyarrow()
    writer: Any = None
    waiting: list[Any] = []
    try:
        for part in parts:
            waiting.append(table_of(part))
            writer = writer or arrow.parquet.ParquetWriter(stream, waiting[0].schema)
            full = sum(table.nbytes for table in waiting) >= _GROUP_BYTES
            if full or sum(table.num_rows for table in waiting) >= _GROUP_ROWS:
                writer.write_table(arrow.concat_tables(waiting))
                waiting.clear()
        writer = writer or arrow.parquet.ParquetWriter(stream, empty.schema)
        writer.write_table(arrow.concat_tables(waiting or [empty]))
    finally:
        if writer is not None:
            writer.close()
