"""bytes <-> tensors of strings and numbers, as the Open Inference Protocol lays them out."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtl_runtime.inference.tensor_outputs import FP32, FP64, Numbers
from mtl_runtime.server.failures import BadRequestError, TooManyTextsError

__all__ = ["Tensor", "count_texts", "decode_strings", "decode_utf8", "encode_strings"]

_DTYPES = {FP32: "<f4", FP64: "<f8"}
_LENGTH = struct.Struct("<I")  # before each string


@dataclass(frozen=True, slots=True)
class Tensor:
    """One output of a request: strings as a flat list, numbers as an array."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[str] | Numbers

    def to_list(self) -> list[str | float]:
        """All values in row-major order."""
        if isinstance(self.values, np.ndarray):
            return [*self.values.ravel().tolist()]
        return [*self.values]

    def to_bytes(self) -> bytes:
        """All values in row-major order, as binary tensors hold them."""
        if isinstance(self.values, np.ndarray):
            return self.values.astype(_DTYPES[self.datatype]).tobytes()
        return encode_strings(self.values)


def count_texts(shape: Sequence[int], limit: int) -> int:
    """Number of texts in a tensor of shape [N], [N, 1] or [1, N].

    Raises:
        BadRequestError: another shape.
        TooManyTextsError: N is over the limit.
    """
    is_list = 1 <= len(shape) <= 2 and all(size >= 0 for size in shape) and (len(shape) == 1 or 1 in shape)
    if not is_list:
        raise BadRequestError(f"shape {list(shape[:4])} is no list of texts; use [N], [N, 1] or [1, N]")
    count = math.prod(shape)
    if count > limit:
        raise TooManyTextsError(count, limit)
    return count


def decode_strings(data: bytes, count: int) -> list[str]:
    """``count`` strings, each after its length in bytes (unsigned, 32 bits, little-endian).

    Raises:
        BadRequestError: the data ends too early or too late, or a string is not UTF-8.
    """
    strings, place = [], 0
    for index in range(count):
        start = place + _LENGTH.size
        if start > len(data):
            raise BadRequestError(f"the binary data holds {index} strings, by its shape it has {count}")
        (length,) = _LENGTH.unpack_from(data, place)
        place = start + length
        if place > len(data):
            raise BadRequestError(f"string {index} has {length} bytes, of which only {len(data) - start} are there")
        strings.append(decode_utf8(data[start:place], index))
    if place != len(data):
        raise BadRequestError(f"{len(data) - place} bytes follow the {count} strings of the binary data")
    return strings


def decode_utf8(data: bytes, index: int) -> str:
    """Bytes of the string at ``index`` -> str.

    Raises:
        BadRequestError: they are not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"string {index} is not UTF-8 (byte {error.start})") from None


def encode_strings(strings: Sequence[str]) -> bytes:
    """The inverse of :func:`decode_strings`."""
    encoded = (string.encode() for string in strings)
    return b"".join(part for data in encoded for part in (_LENGTH.pack(len(data)), data))
