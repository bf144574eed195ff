"""bytes of a protobuf message -> its fields: tags, and where payloads lie; no payload is read.

The encoding is described at https://protobuf.dev/programming-guides/encoding/. A tag is a field's number times 8, plus
its wire type. Groups, which are long deprecated, are refused.
"""

from collections.abc import Iterator
from mmap import mmap

__all__ = [
    "DELIMITED",
    "FIXED32",
    "FIXED64",
    "VARINT",
    "Buffer",
    "Span",
    "WireFormatError",
    "read_fields",
    "read_varints",
]

Buffer = bytes | mmap
Span = tuple[int, int]  # of a buffer: the first byte, and the one after the last

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5  # wire types
_WIDTHS = {FIXED64: 8, FIXED32: 4}
_MOST_BITS = 64


class WireFormatError(ValueError):
    """The bytes are not a protobuf message."""


def read_fields(data: Buffer, span: Span) -> Iterator[tuple[int, int, int]]:
    """Yield the fields of the message in ``data[span]``, in their order.

    Each is ``(tag, start, stop)``, where ``data[start:stop]`` is its payload; of a varint, ``start`` is the number
    itself.

    Raises:
        WireFormatError: the bytes are no message, or a payload does not end within it.
    """
    start, end = span
    while start < end:
        tag = data[start]
        start += 1
        if tag > 0x7F:
            tag, start = _read_varint(data, start - 1, end)
        wire_type = tag & 7
        if wire_type in (VARINT, DELIMITED):
            if start < end and data[start] < 0x80:  # most numbers have one byte
                value, start = data[start], start + 1
            else:
                value, start = _read_varint(data, start, end)
            if wire_type == VARINT:
                yield tag, value, start
                continue
            stop = start + value
        elif wire_type in _WIDTHS:
            stop = start + _WIDTHS[wire_type]
        else:
            raise WireFormatError(f"no field begins at byte {start - 1:,}")
        if stop > end:
            raise WireFormatError(f"field {tag >> 3} at byte {start:,} is cut off")
        yield tag, start, stop
        start = stop


def read_varints(data: Buffer, span: Span) -> Iterator[int]:
    """Yield the numbers of a packed field.

    Raises:
        WireFormatError: the last one is cut off.
    """
    start, end = span
    while start < end:
        value, start = _read_varint(data, start, end)
        yield value


def _read_varint(data: Buffer, start: int, end: int) -> tuple[int, int]:
    """Read the number that begins at ``start``; also return the byte after it."""
    value = shift = 0
    while start < end and shift < _MOST_BITS:
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 and value >> _MOST_BITS == 0:
            return value, start
        shift += 7
    raise WireFormatError(f"a number that ends at byte {start:,} is cut off or too large")
