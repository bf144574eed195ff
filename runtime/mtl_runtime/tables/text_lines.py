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

__all__ = ["TextLines"]

_BLOCK = 2**16  # bytes
_MARK = b"\xef\xbb\xbf"  # of UTF-8
_LONE_CR = re.compile(rb"\r(?!\n|\Z)")


class TextLines:
    """Lines with their ends, decoded one by one, so that a byte that is not UTF-8 is reported with its line.

    Such a line is yielded all the same, so that it spoils no other row; ``take_problem`` returns the error.

    Raises:
        TableError: the file is of another kind, such as UTF-16 or a zip archive.
    """

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self.number = 0  # of the line that was read last
        self._lines = _split_lines(path, stream)
        self._ahead: deque[bytes] = deque()
        self._problem: TableError | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._lines)
        self.number += 1
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
        self._ahead.appendleft(line.encode("utf-8", "surrogateescape"))
        self.number -= 1
        self._problem = None

    def look_ahead(self, characters: int) -> tuple[Sequence[str], bool]:
        """Return the next lines, up to this many characters, without reading them; and whether the file ends there."""
        size = sum(map(len, self._ahead))
        while size < characters:
            if (line := next(self._lines, None)) is None:
                break
            self._ahead.append(line)
            size += len(line)
        return [line.decode("utf-8", "surrogateescape") for line in self._ahead], size < characters

    def _describe(self, line: bytes, error: UnicodeDecodeError) -> TableError:
        byte = line[error.start : error.start + 1]
        windows = byte.decode("cp1252", "ignore")
        meaning = f" (the byte is {windows!r} in Windows-1252)" if windows.isprintable() and windows else ""
        problem = f"byte 0x{byte.hex()} at position {error.start} is not UTF-8; save the file as UTF-8{meaning}"
        return EncodingError(self.path, problem, line=self.number)


def _split_lines(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    first = stream.readline(_BLOCK)
    if first.endswith(b"\r"):
        first += stream.read(1)
    refuse_other_files(path, first)
    first = first.removeprefix(_MARK)
    if _LONE_CR.search(first):
        return _split_at_any_end(chain([first], iter(partial(stream.read, _BLOCK), b"")))
    if not first.endswith(b"\n"):
        first += stream.readline()
    return chain([first] if first else [], stream)


def _split_at_any_end(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).splitlines(keepends=True)  # the last line may go on in the next block
        yield from lines
    if rest:
        yield rest
