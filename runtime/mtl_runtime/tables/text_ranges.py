"""text file + range of its bytes -> the lines that start in the range, for a csv behind those of its header."""

import io
from collections.abc import Sequence
from typing import BinaryIO, cast

from mtl_runtime.tables.table import TableSource
from mtl_runtime.tables.text_lines import TextLines

__all__ = ["find_line_start", "text_lines_of"]

_BLOCK = 2**16  # bytes
_BUFFER = 2**20


def text_lines_of(source: TableSource) -> TextLines:
    """The lines of ``source``, or of its range; the header of a csv is read with each range.

    Ranges of a file that meet have each of its lines once: a line belongs to the range in which its first byte is.
    """
    rows, stream = source.range, source.stream
    if rows is None:
        return TextLines(source.path, stream, max_row_bytes=source.max_row_bytes)
    start, stop = (find_line_start(stream, offset) for offset in (rows.start, rows.stop))
    segments = _Segments(stream, [(0, rows.header_bytes), (start, stop)])
    return TextLines(
        source.path,
        cast(BinaryIO, io.BufferedReader(segments, _BUFFER)),
        max_row_bytes=source.max_row_bytes,
        from_start=rows.header_bytes > 0 or start == 0,
    )


def find_line_start(stream: BinaryIO, offset: int) -> int:
    """Find the first line, ended by LF, that starts at the byte ``offset`` or later; the file's end if none does."""
    if offset == 0:
        return 0
    position = offset - 1
    stream.seek(position)
    while block := stream.read(_BLOCK):
        end = block.find(b"\n")
        if end >= 0:
            return position + end + 1
        position += len(block)
    return position


class _Segments(io.RawIOBase):
    """Segments of a file, each from a byte to the one behind it, one after the other."""

    def __init__(self, stream: BinaryIO, segments: Sequence[tuple[int, int]]) -> None:
        self._stream = stream
        self._segments = [(start, stop) for start, stop in segments if start < stop]
        self._position: int | None = None  # of the stream in the first segment; None: not yet there

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._segments:
            return 0
        start, stop = self._segments[0]
        if self._position is None:
            self._stream.seek(start)
            self._position = start
        data = self._stream.read(min(len(buffer), stop - self._position))
        buffer[: len(data)] = data
        self._position += len(data)
        if self._position == stop or not data:
            self._segments.pop(0)
            self._position = None
            return len(data) or self.readinto(buffer)
        return len(data)
