"""table -> chunks of rows, whose ends depend on the table alone; a thread reads them ahead."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Any, Generic, TypeVar

from mtl_runtime.errors import InvalidTextError, TableError
from mtl_runtime.tables.table import BadRow, Row, Table
from mtl_runtime.text.text_chunks import CHUNK_CHARACTERS
from mtl_runtime.text.validation import validate_texts

__all__ = ["ChunkLimits", "RowChunk", "chunk_rows", "read_ahead"]

T = TypeVar("T")

# Where rows have many or large cells next to their text, a chunk ends before it fills the memory: one that keeps
# within ChunkLimits has at most 1,000 columns of short cells.
_MOST_BYTES = 2**27
_CELL_BYTES = 64  # that Python needs for a cell, whatever is in it


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLimits:
    """Where a chunk ends: after this many rows, good and bad, or once its texts have this many characters.

    The texts of a chunk are batched together, so these limits decide the bits of the answers. What the tokenizer
    keeps of a text grows with its characters, so their limit bounds the memory.
    """

    rows: int = 2048
    characters: int = CHUNK_CHARACTERS

    def __post_init__(self) -> None:
        if self.rows < 1 or self.characters < 1:
            raise ValueError(f"a chunk has at least one row and one character: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChunk:
    """Consecutive rows of a table."""

    number: int  # from 0
    rows: Sequence[Row]  # whose texts can be classified
    bad: Sequence[BadRow]
    share: float | None  # of the input up to the end of this chunk; None: the size of the input is unknown

    @property
    def records(self) -> int:
        """Number of rows, good and bad."""
        return len(self.rows) + len(self.bad)


def chunk_rows(table: Table, *, column: str, max_text_bytes: int, limits: ChunkLimits) -> Iterator[RowChunk]:
    """Split ``table``, whose texts are in ``column``, into chunks; an empty table gives one empty chunk.

    A row is bad if it cannot be read, or if its text is missing, not a str, or longer than ``max_text_bytes``.

    Raises:
        TableError: while iterating, the table is damaged.
    """
    number = records = characters = size = 0
    rows: list[Row] = []
    bad: list[BadRow] = []
    for record in table.records:
        row = _check_row(table, record, column, max_text_bytes)
        if isinstance(row, Row):
            rows.append(row)
        else:
            bad.append(row)
        records += 1
        characters += _count_characters(record, column)
        size += _estimate_bytes(record.values)
        if len(rows) + len(bad) >= limits.rows or characters >= limits.characters or size >= _MOST_BYTES:
            yield RowChunk(number=number, rows=rows, bad=bad, share=table.share(records))
            number, characters, size, rows, bad = number + 1, 0, 0, [], []
    if rows or bad or not number:
        yield RowChunk(number=number, rows=rows, bad=bad, share=table.share(records))


def _check_row(table: Table, record: Row | BadRow, column: str, max_text_bytes: int) -> Row | BadRow:
    if isinstance(record, BadRow):
        return record
    text = record.values.get(column)
    problem = "the text is missing"
    if text is not None:
        try:
            validate_texts([text], max_text_bytes=max_text_bytes)
        except InvalidTextError as error:
            problem = error.problem
        else:
            return record
    return BadRow(TableError(table.path, problem, line=record.line, column=column), record.values)


def _count_characters(record: Row | BadRow, column: str) -> int:
    text = record.values.get(column) if isinstance(record, Row) else record.values
    return len(text) if isinstance(text, str) else 0


def _estimate_bytes(values: Any) -> int:
    """Bytes that a row's values need in memory, lists and objects among them left out."""
    cells = values.values() if isinstance(values, Mapping) else values if isinstance(values, list) else (values,)
    return sum(_CELL_BYTES + (len(cell) if isinstance(cell, str) else 0) for cell in cells)


@dataclass(frozen=True, slots=True)
class _ReadItem(Generic[T]):
    item: T


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


@contextmanager
def read_ahead(items: Iterable[T], *, depth: int = 2) -> Iterator[Iterator[T]]:
    """Iterate ``items`` in a thread while the block uses earlier ones; ``depth`` items may wait while one is made.

    An error of the iteration is raised in the block, after the items before it. The thread ends with the block.
    """
    ready: SimpleQueue[_ReadItem[T] | _End] = SimpleQueue()
    room = Semaphore(depth)
    stop = Event()

    def read() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                room.acquire()
                if stop.is_set():
                    return
                ready.put(_ReadItem(item))
        except BaseException as caught:  # noqa: BLE001 - it is raised in the block
            error = caught
        ready.put(_End(error))

    thread = Thread(target=read, name="mtl-reader", daemon=True)
    thread.start()
    try:
        yield _take_items(ready, room)
    finally:
        stop.set()
        room.release()
        thread.join()


def _take_items(ready: "SimpleQueue[Any]", room: Semaphore) -> Iterator[Any]:
    while isinstance(entry := ready.get(), _ReadItem):
        room.release()
        yield entry.item
        del entry
    if entry.error is not None:
        raise entry.error
