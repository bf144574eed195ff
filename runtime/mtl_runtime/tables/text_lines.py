"""bytes of a text file -> its lines, whose end is LF, CRLF or, where the first line ends so, CR alone."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.errors import EncodingError, TableError
from mtl_runtime.tables.file_signatures import refuse_other_files

__all__ = ["DEFAULT_MAX_ROW_BYTES", "TextLines", "ends_lines_with_cr"]

DEFAULT_MAX_ROW_BYTES = 2**25  # a line without end must not fill the memory

_BLOCK = 2**16  # bytes
_MARK = b"\xef\xbb\xbf"  # of UTF-8
_LONE_CR = re.compile(rb"\r(?!\n|\Z)")


class TextLines:
    """Lines with their ends, decoded one by one, so that a byte that is not UTF-8 is reported with its line.

    Such a line is yielded all the same, so that it spoils no other row; ``take_problem`` returns the error.

    Args:
        path: the file's name in messages.
        stream: its bytes, or with ``from_start=False`` those from the start of a later line, which ends with LF.
        max_row_bytes: of a line, at most.
        from_start: whether the first bytes are those of the file.

    Raises:
        TableError: the file is of another kind, such as UTF-16 or a zip archive; while iterating: a line has more than
            ``max_row_bytes``. What follows is not read then, since such a line may have no end.
    """

    def __init__(
        self,
        path: Path,
        stream: BinaryIO,
        *,
        max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
        from_start: bool = True,
    ) -> None:
        self.path = path
        self.number = 0  # of the line that was read last
        self.max_row_bytes = max_row_bytes
        self.bytes_read = 0  # of the stream, up to the end of that line
        self._lines = self._split(stream) if from_start else _split_at_newlines(stream, max_row_bytes)
        self._ahead: deque[bytes] = deque()
        self._problem: TableError | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._lines)
        self.number += 1
        self.bytes_read += len(line)
        self._require_short(line, self.number)
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            self._problem = self._describe(line, error)
            return line.decode("utf-8", "surrogateescape")

    def take_problem(self) -> TableError | None:
        """Return the error about the lines since the last call, if there is one."""
        problem, self._problem = self._problem, None
        return problem

    def put_back(self, line: str) -> None:
        """Let ``line``, which was read last, be read again."""
        data = line.encode("utf-8", "surrogateescape")
        self._ahead.appendleft(data)
        self.number -= 1
        self.bytes_read -= len(data)
        self._problem = None

    def look_ahead(self, characters: int) -> tuple[Sequence[str], bool]:
        """Return the next lines, up to this many characters, without reading them; and whether the file ends there."""
        size = sum(map(len, self._ahead))
        while size < characters:
            if (line := next(self._lines, None)) is None:
                break
            self._ahead.append(line)
            size += len(line)
            self._require_short(line, self.number + len(self._ahead))
        return [line.decode("utf-8", "surrogateescape") for line in self._ahead], size < characters

    def too_long(self, start: int) -> TableError:
        """The error about a row that starts in line ``start`` and has too many bytes."""
        problem = f"the row has more than {self.max_row_bytes:,} bytes"
        return TableError(self.path, f"{problem}; max_row_bytes (--max-row-bytes) raises the limit", line=start)

    def _split(self, stream: BinaryIO) -> Iterator[bytes]:
        """Split a file from its start, whose first bytes show what it is; the mark of UTF-8 belongs to no line."""
        first = _read_first_line(stream, self.max_row_bytes)
        refuse_other_files(self.path, first)
        if first.startswith(_MARK):
            self.bytes_read, first = len(_MARK), first.removeprefix(_MARK)
        return _split_lines(first, stream, self.max_row_bytes)

    def _require_short(self, line: bytes, number: int) -> None:
        if len(line) > self.max_row_bytes:
            raise self.too_long(number)

    def _describe(self, line: bytes, error: UnicodeDecodeError) -> TableError:
        byte = line[error.start : error.start + 1]
        windows = byte.decode("cp1252", "ignore")
        meaning = f" (the byte is {windows!r} in Windows-1252)" if windows.isprintable() and windows else ""
        problem = f"byte 0x{byte.hex()} at position {error.start} is not UTF-8; save the file as UTF-8{meaning}"
        return EncodingError(self.path, problem, line=self.number)


def ends_lines_with_cr(stream: BinaryIO) -> bool:
    """Whether the first line of the file ``stream`` ends with CR alone, and so all its lines; its start is read."""
    return _LONE_CR.search(_read_first_line(stream, _BLOCK)) is not None


def _read_first_line(stream: BinaryIO, most: int) -> bytes:
    """Read the first line, or the start of it."""
    first = stream.readline(min(_BLOCK, most + 1))
    return first + stream.read(1) if first.endswith(b"\r") else first


def _split_lines(first: bytes, stream: BinaryIO, most: int) -> Iterator[bytes]:
    """Split into lines; of a line with more than ``most`` bytes at least one byte more is yielded, or all of it."""
    if _LONE_CR.search(first):
        return _split_at_any_end(chain([first], iter(partial(stream.read, _BLOCK), b"")), most)
    if not first.endswith(b"\n"):
        first += stream.readline(most + 1)
    return chain([first] if first else [], _split_at_newlines(stream, most))


def _split_at_newlines(stream: BinaryIO, most: int) -> Iterator[bytes]:
    return iter(partial(stream.readline, most + 1), b"")


def _split_at_any_end(blocks: Iterator[bytes], most: int) -> Iterator[bytes]:
    parts: list[bytes] = []  # of the line that goes on in the next block
    size = 0
    for block in blocks:
        parts.append(block)
        size += len(block)
        # A CR at the end of a block is the end of a line only if the next block does not start with LF.
        ends = b"\n" in block or b"\r" in block or (len(parts) > 1 and parts[-2].endswith(b"\r"))
        if size <= most and not ends:
            continue
        *lines, rest = b"".join(parts).splitlines(keepends=True)
        yield from lines
        parts, size = [rest], len(rest)
        if size > most:
            break
    if size:
        yield b"".join(parts)
