"""table -> chunks: its rows cut at places that the table alone decides, and read ahead by a thread."""

from collections.abc import Iterable, Iterator, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLimits:
    """Where a chunk ends: after so many rows, good and bad, or once its texts have so many characters.

    The texts of a chunk are batched together, so the cut decides the bits of the answers. What the tokenizer
    keeps of a text grows with its characters: their bound is the memory's.
    """

    rows: int = 2048
    characters: int = CHUNK_CHARACTERS

    def __post_init__(self) -> None:
        if self.rows < 1 or self.characters < 1:
            raise ValueError(f"a chunk has at least one row and one character: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChunk:
    """Rows that follow each other in a table."""

    number: int  # from 0
    rows: Sequence[Row]  # whose texts can be classified
    bad: Sequence[BadRow]
    share: float | None  # of the input, up to the end of this chunk; None: the input's end is not known

    @property
    def records(self) -> int:
        """Rows, good and bad."""
        return len(self.rows) + len(self.bad)


def chunk_rows(table: Table, *, column: str, max_text_bytes: int, cut: ChunkLimits) -> Iterator[RowChunk]:
    """ChunkLimits ``table``, whose texts are in ``column``, into chunks; an empty table gives one that is empty.

    A row is bad if it cannot be read, or if its text is missing, no str, or longer than ``max_text_bytes``.

    Raises:
        TableError: while iterating, the table is damaged.
    """
    number = records = characters = 0
    rows: list[Row] = []
    bad: list[BadRow] = []
    for record in table.records:
        checked = _checked(table, record, column, max_text_bytes)
        if isinstance(checked, Row):
            rows.append(checked)
        else:
            bad.append(checked)
        records += 1
        characters += _characters(record, column)
        if len(rows) + len(bad) >= cut.rows or characters >= cut.characters:
            yield RowChunk(number=number, rows=rows, bad=bad, share=table.share(records))
            number, characters, rows, bad = number + 1, 0, [], []
    if rows or bad or not number:
        yield RowChunk(number=number, rows=rows, bad=bad, share=table.share(records))


def _checked(table: Table, record: Row | BadRow, column: str, max_text_bytes: int) -> Row | BadRow:
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


def _characters(record: Row | BadRow, column: str) -> int:
    text = record.values.get(column) if isinstance(record, Row) else record.values
    return len(text) if isinstance(text, str) else 0


@dataclass(frozen=True, slots=True)
class _ReadItem(Generic[T]):
    item: T


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


@contextmanager
def read_ahead(items: Iterable[T], *, depth: int = 2) -> Iterator[Iterator[T]]:
    """Let a thread iterate ``items`` while the block works on those before; at most ``depth`` wait, and one is made.

    What iterating raises is raised in the block, after the items before it. The thread ends with the block.
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
        except BaseException as caught:  # noqa: BLE001 - the block gets it
            error = caught
        ready.put(_End(error))

    thread = Thread(target=read, name="mtl-reader", daemon=True)
    thread.start()
    try:
        yield _taken(ready, room)
    finally:
        stop.set()
        room.release()
        thread.join()


def _taken(ready: "SimpleQueue[Any]", room: Semaphore) -> Iterator[Any]:
    while isinstance(found := ready.get(), _ReadItem):
        room.release()
        yield found.item
        del found
    if found.error is not None:
        raise found.error
