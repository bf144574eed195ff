"""rows -> Arrow tables of one schema -> a parquet file, or bytes that are joined into one later."""

import io
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from mtl_runtime.errors import TableError
from mtl_runtime.tables.table import Row, Table, pyarrow
from mtl_runtime.wording import shorten

__all__ = ["ArrowTables", "join_parquet", "table_from_bytes", "table_to_bytes"]

# Chunks make small row groups, which are slow to read and whose statistics say little.
_GROUP_ROWS = 2**16
_GROUP_BYTES = 2**26
_SHOWN_CHARACTERS = 60  # of a value or a type
_WAY_OUT = "use --output-format jsonl"


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
            TableError: a value does not fit its column; the message names the row.
        """
        self.decide_schema(rows)
        arrays = [self._to_array(rows, field) for field in self._schema]
        return pyarrow().table(arrays, schema=self._schema)

    def decide_schema(self, rows: Sequence[Row]) -> None:
        """Let ``rows``, which need no answers yet, decide the schema, unless it is decided.

        Raises:
            TableError: a column has values of several types, or of one that parquet cannot hold.
        """
        if self._schema is not None:
            return
        arrow = pyarrow()
        old = self._source.schema or arrow.schema(
            [(name, self._infer_type(rows, name)) for name in self._source.columns]
        )
        self._require_storable(rows, old)
        types = {str: arrow.string(), float: arrow.float64()}
        new = [arrow.field(name, types[kind]) for name, kind in self._added.items()]
        self._schema = arrow.schema([*old, *new], metadata=old.metadata)

    def _infer_type(self, rows: Sequence[Row], name: str) -> Any:
        """Find the Arrow type that fits the column ``name`` of the first rows of a source without a schema."""
        arrow = pyarrow()
        values = [row.values.get(name) for row in rows]
        try:
            found = arrow.array(values).type
        except (arrow.ArrowException, OverflowError) as error:
            index = _first_failure(len(values), lambda count: arrow.array(values[:count]))
            problem = f"{_show(values[index])} has another type than the rows before, or one that parquet lacks"
            raise self._misfit(rows[index], name, problem) from error
        # A column without values so far is most likely text.
        return arrow.string() if found == arrow.null() else found

    def _require_storable(self, rows: Sequence[Row], schema: Any) -> None:
        """Refuse what Arrow can hold in memory, but cannot write or read again: an empty object, or a deep one."""
        arrow = pyarrow()
        for field in schema:
            if not arrow.types.is_nested(field.type):
                continue
            try:
                _write_and_read(arrow.schema([field]))
            except (arrow.ArrowException, OSError, RecursionError) as error:
                row = next((row for row in rows if row.values.get(field.name) is not None), None)
                problem = "parquet cannot hold an empty object, nor values nested this deep"
                raise self._misfit(row, field.name, problem) from error

    def _to_array(self, rows: Sequence[Row], field: Any) -> Any:
        arrow = pyarrow()
        values = [row.values.get(field.name) for row in rows]
        try:
            array = arrow.array(values, type=field.type)
        except (arrow.ArrowException, OverflowError) as error:
            index = next((index for index, value in enumerate(values) if not _converts(value, field.type)), 0)
            raise self._unlike_first_rows(rows[index], field) from error
        if self._source.schema is None and arrow.types.is_nested(field.type):
            # Arrow drops keys that the type lacks, and takes a text for the list of its characters.
            for row, value in zip(rows, values, strict=True):
                if not _has_shape(value, field.type):
                    raise self._unlike_first_rows(row, field)
        return array

    def _unlike_first_rows(self, row: Row, field: Any) -> TableError:
        kind = shorten(str(field.type), _SHOWN_CHARACTERS)
        problem = (
            f"{_show(row.values.get(field.name))} does not fit the type {kind} that the first rows gave the column"
        )
        return self._misfit(row, field.name, problem)

    def _misfit(self, row: Row | None, column: str, problem: str) -> TableError:
        line = None if row is None else row.line
        return TableError(self._source.path, f"{problem}; {_WAY_OUT}", line=line, column=column)


def _first_failure(count: int, convert: Callable[[int], object]) -> int:
    """Return the index of the first of ``count`` values at which ``convert`` of the values up to there fails."""
    arrow = pyarrow()
    low, high = 0, count  # it converts ``low`` values, and fails at ``high``
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(middle)
        except (arrow.ArrowException, OverflowError):
            high = middle
        else:
            low = middle
    return high - 1


def _converts(value: Any, kind: Any) -> bool:
    arrow = pyarrow()
    try:
        arrow.array([value], type=kind)
    except (arrow.ArrowException, OverflowError):
        return False
    return True


def _has_shape(value: Any, kind: Any) -> bool:
    """Whether a JSON value has the lists and keys of an Arrow type, and no further ones."""
    types = pyarrow().types
    if value is None:
        return True
    if types.is_struct(kind):
        fields = {field.name: field.type for field in kind}
        return isinstance(value, dict) and all(
            name in fields and _has_shape(item, fields[name]) for name, item in value.items()
        )
    if types.is_list(kind):
        return isinstance(value, list) and all(_has_shape(item, kind.value_type) for item in value)
    return not isinstance(value, dict | list)


def _write_and_read(schema: Any) -> None:
    """Write a table without rows as parquet and as :func:`table_to_bytes` does, and open it again."""
    arrow, sink = pyarrow(), io.BytesIO()
    empty = schema.empty_table()
    with arrow.parquet.ParquetWriter(sink, schema) as writer:
        writer.write_table(empty)
    arrow.parquet.ParquetFile(io.BytesIO(sink.getvalue()))
    table_from_bytes(table_to_bytes(empty))


def _show(value: Any) -> str:
    return shorten(reprlib.repr(value), _SHOWN_CHARACTERS)


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
