"""The fields of ONNX's messages: those that a graph of ours may have, and what the others would bring in.

Numbers are those of onnx.proto3 of ONNX 1.23 (IR version 13). A field that is not allowed is refused even if it is
unknown: a later version of ONNX may hide anything in it.
"""

from collections.abc import Iterable, Iterator, Mapping

from mtl_runtime.bundle.graph_scan.structure_error import GraphStructureError
from mtl_runtime.bundle.graph_scan.wire_format import (
    DELIMITED,
    FIXED32,
    VARINT,
    Buffer,
    Span,
    read_fields,
)

__all__ = ["ATTRIBUTE", "BITS", "EXTERNAL_ENTRY", "GRAPH", "MODEL", "NODE", "OPERATOR_SET", "TENSOR", "Message"]


class Message:
    """What a kind of message may hold.

    Args:
        allowed: tags.
        most: fields; a scan reads them one by one.
        refused: number of a field -> what it would bring in.
    """

    def __init__(self, allowed: frozenset[int], most: int, refused: Mapping[int, str] | None = None) -> None:
        self.allowed, self.most, self.refused = allowed, most, refused or {}

    def fields(self, data: Buffer, span: Span) -> Iterator[tuple[int, int, int]]:
        """Yield the fields of such a message, as :func:`~mtl_runtime.bundle.graph_scan.wire_format.read_fields`.

        Raises:
            GraphStructureError: one of them is not allowed, or there are too many.
            WireFormatError: the bytes are no message.
        """
        for count, field in enumerate(read_fields(data, span)):
            tag = field[0]
            if count == self.most:
                raise GraphStructureError(f"has more than {self.most:,} parts")
            if tag not in self.allowed:
                unknown = f"field {tag >> 3} with wire type {tag & 7}"
                raise GraphStructureError(f"has {self.refused.get(tag >> 3, unknown)}")
            yield field


def _tags(
    *,
    varint: Iterable[int] = (),
    delimited: Iterable[int] = (),
    fixed32: Iterable[int] = (),
) -> frozenset[int]:
    numbers = {VARINT: varint, DELIMITED: delimited, FIXED32: fixed32}
    return frozenset(number << 3 | wire_type for wire_type, some in numbers.items() for number in some)


MODEL = Message(
    # ir_version and model_version; producer_name, producer_version, domain, doc_string, graph, opset_import and
    # metadata_props
    _tags(varint=(1, 5), delimited=(2, 3, 4, 6, 7, 8, 14)),
    1_000,
    {20: "training information", 25: "local functions", 26: "device configurations"},
)
OPERATOR_SET = Message(_tags(varint=(2,), delimited=(1,)), 2)  # version; domain
EXTERNAL_ENTRY = Message(_tags(delimited=(1, 2)), 2)  # key, value
GRAPH = Message(
    # node, name, initializer, doc_string, input, output, value_info, quantization_annotation, metadata_props
    _tags(delimited=(1, 2, 5, 10, 11, 12, 13, 14, 16)),
    100_000,
    {15: "sparse weights"},
)
NODE = Message(
    # input, output, name, op_type, attribute, doc_string, domain, metadata_props
    _tags(delimited=(1, 2, 3, 4, 5, 6, 7, 9)),
    10_000,
    {8: "an overload of a local function", 10: "a device configuration"},
)
ATTRIBUTE = Message(
    # i, ints and type; name, s, t, floats, ints, strings and doc_string; f and floats
    _tags(varint=(3, 8, 20), delimited=(1, 4, 5, 7, 8, 9, 13), fixed32=(2, 7)),
    10_000,
    {
        6: "a graph inside, which is control flow",
        10: "a list of tensors",
        11: "graphs inside, which are control flow",
        14: "a type",
        15: "a list of types",
        21: "an argument of a local function",
        22: "a sparse tensor",
        23: "sparse tensors",
    },
)
TENSOR = Message(
    # dims, data_type and data_location; lists of dims and of values (float_data, int32_data, int64_data, raw_data,
    # double_data, uint64_data), name, doc_string, external_data and metadata_props
    _tags(varint=(1, 2, 14), delimited=(1, 4, 5, 7, 8, 9, 10, 11, 12, 13, 16)),
    100,
    {3: "segments", 6: "texts"},
)

# TensorProto.DataType -> bits of an element. Texts and complex numbers are no weights of ours.
BITS: Mapping[int, int] = {
    **dict.fromkeys((11, 7, 13), 64),  # float64, int64, uint64
    **dict.fromkeys((1, 6, 12), 32),  # float32, int32, uint32
    **dict.fromkeys((10, 16, 5, 4), 16),  # float16, bfloat16, int16, uint16
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20), 8),  # uint8, int8, bool, four forms of float8
    **dict.fromkeys((21, 22), 4),  # uint4, int4
}
