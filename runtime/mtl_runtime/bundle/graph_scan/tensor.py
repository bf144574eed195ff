"""TensorProto -> nothing, or GraphStructureError: its bytes are as many as its shape and type need."""

from collections.abc import Mapping
from itertools import islice

from mtl_runtime.bundle.graph_scan.onnx_fields import BITS, EXTERNAL_ENTRY, TENSOR
from mtl_runtime.bundle.graph_scan.structure_error import GraphStructureError, quote
from mtl_runtime.bundle.graph_scan.wire_format import (
    DELIMITED,
    VARINT,
    Buffer,
    Span,
    read_varints,
)

__all__ = ["WeightsFiles", "check_tensor"]

_DIMS, _PACKED_DIMS = 1 << 3 | VARINT, 1 << 3 | DELIMITED
_DATA_TYPE, _LOCATION = 2 << 3 | VARINT, 14 << 3 | VARINT
_NAME, _RAW, _EXTERNAL = 8 << 3 | DELIMITED, 9 << 3 | DELIMITED, 13 << 3 | DELIMITED
_WIDTHS = {4 << 3 | DELIMITED: 4, 10 << 3 | DELIMITED: 8}  # float_data, double_data: bytes of a number
_VARINTS = frozenset(number << 3 | DELIMITED for number in (5, 7, 11))  # int32_data, int64_data, uint64_data
_KEY, _VALUE = 1 << 3 | DELIMITED, 2 << 3 | DELIMITED  # of an entry of external_data
_OUTSIDE = 1  # TensorProto.DataLocation.EXTERNAL

_MOST_DIMENSIONS = 16
_MOST_ELEMENTS = 2**40
_NOT_LAST = bytes(range(0x80, 0x100))  # bytes of a varint before its last one


class WeightsFiles:
    """The files that may hold weights outside the graph, and how many of their bytes its tensors have taken.

    Args:
        sizes: bytes of each file, by name.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self._taken: dict[str, int] = {}

    def take(self, name: str, offset: int, length: int) -> None:
        """Take ``length`` bytes of the file for a tensor.

        Raises:
            GraphStructureError: there is no such file, or it has fewer bytes.
        """
        size = self.sizes.get(name)
        if size is None:
            raise GraphStructureError(f"has its values in {quote(name)}, which holds no weights of this graph")
        self._taken[name] = self._taken.get(name, 0) + length
        if offset + length > size or self._taken[name] > size:
            raise GraphStructureError(f"needs more bytes than {quote(name)} has")


class _Tensor:
    """What is read of a tensor. A dataclass would take a millisecond of each cold start."""

    def __init__(self) -> None:
        self.name = ""
        self.dims: list[int] = []
        self.types: list[int] = []
        self.location = 0
        self.values: list[tuple[int, Span]] = []  # tag and payload of each field with values
        self.external: dict[str, str] = {}


def check_tensor(data: Buffer, span: Span, files: WeightsFiles) -> None:
    """Compare the bytes that the tensor in ``data[span]`` has with those that its shape and type need.

    Raises:
        GraphStructureError: it has more or fewer, or has them twice.
        WireFormatError: the bytes are no message.
    """
    tensor = _Tensor()
    try:
        _read(data, span, tensor)
        _check(data, tensor, files)
    except GraphStructureError as error:
        raise GraphStructureError(f"has a tensor {quote(tensor.name)} that {error}") from None


def _check(data: Buffer, tensor: _Tensor, files: WeightsFiles) -> None:
    needed = _count_bits(tensor)
    if tensor.location == _OUTSIDE:
        _check_outside(tensor, -(-needed // 8), files)
    elif tensor.location or tensor.external:
        raise GraphStructureError("lies neither in the graph nor outside it")
    else:
        _check_inside(data, tensor, needed)


def _read(data: Buffer, span: Span, tensor: _Tensor) -> None:
    for tag, start, stop in TENSOR.fields(data, span):
        if tag == _DIMS:
            tensor.dims.append(start)
        elif tag == _PACKED_DIMS:
            tensor.dims.extend(islice(read_varints(data, (start, stop)), _MOST_DIMENSIONS + 1))
        elif tag == _DATA_TYPE:
            tensor.types.append(start)
        elif tag == _NAME:
            tensor.name = bytes(data[start:stop]).decode("utf-8", "replace")
        elif tag == _LOCATION:
            tensor.location = start
        elif tag == _EXTERNAL:
            parts = EXTERNAL_ENTRY.fields(data, (start, stop))
            entry = {tag: bytes(data[a:b]).decode("utf-8", "replace") for tag, a, b in parts}
            tensor.external |= {entry.get(_KEY, ""): entry.get(_VALUE, "")}
        elif tag == _RAW or tag in _WIDTHS or tag in _VARINTS:
            tensor.values.append((tag, (start, stop)))


def _count_bits(tensor: _Tensor) -> int:
    """How many bits its shape and type need."""
    if len(tensor.types) != 1 or tensor.types[0] not in BITS:
        raise GraphStructureError(f"has the type {', '.join(map(str, tensor.types)) or 'none'}, which no weight has")
    elements, bound = 1, 1  # a length of 0 must not hide another that is absurd
    for length in tensor.dims[: _MOST_DIMENSIONS + 1]:
        elements, bound = elements * length, bound * max(1, length)
    if len(tensor.dims) > _MOST_DIMENSIONS or bound > _MOST_ELEMENTS:
        raise GraphStructureError(f"has an impossible shape, {quote(str(tensor.dims[:_MOST_DIMENSIONS]))}")
    return elements * BITS[tensor.types[0]]


def _check_inside(data: Buffer, tensor: _Tensor, needed: int) -> None:
    if len(tensor.values) > 1:
        raise GraphStructureError("has its values twice")
    if not tensor.values or tensor.values[0][0] == _RAW:
        actual, wanted, unit = sum(stop - start for _, (start, stop) in tensor.values), -(-needed // 8), "bytes"
    else:
        # One number for each element, or for each pair of 4 bits.
        actual, unit = _count_numbers(data, *tensor.values[0]), "numbers"
        wanted = -(-needed // max(8, BITS[tensor.types[0]]))
    if actual != wanted:
        raise GraphStructureError(f"has {actual:,} {unit} where its shape and type need {wanted:,}")


def _count_numbers(data: Buffer, tag: int, span: Span) -> int:
    """Count the numbers in a list of values."""
    start, stop = span
    if tag in _WIDTHS:
        return -(-(stop - start) // _WIDTHS[tag])
    return len(bytes(data[start:stop]).translate(None, _NOT_LAST))


def _check_outside(tensor: _Tensor, needed: int, files: WeightsFiles) -> None:
    if tensor.values:
        raise GraphStructureError("has its values both in the graph and outside it")
    entry = tensor.external
    if unknown := sorted(entry.keys() - {"location", "offset", "length", "checksum"}):
        raise GraphStructureError(f"has an unknown key for values outside the graph, {quote(unknown[0])}")
    offset, length = (_whole_number(entry.get(key, default)) for key, default in (("offset", "0"), ("length", needed)))
    if length != needed:
        raise GraphStructureError(f"has {length:,} bytes outside the graph where its shape and type need {needed:,}")
    files.take(entry.get("location", ""), offset, length)


def _whole_number(text: str | int) -> int:
    if isinstance(text, str) and not (text.isascii() and text.isdigit() and len(text) < 20):
        raise GraphStructureError(f"has {quote(text)} in place of a number of bytes")
    return int(text)
