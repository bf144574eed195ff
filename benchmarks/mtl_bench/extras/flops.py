"""bundle + variant -> Flops: what the graph's matrix products cost, as a function of the texts' lengths.

They are counted from the shapes in the graph; a multiplication and an addition are two operations, as in
torch's FlopCounterMode. What is not a product (normalizations, activations, sums) is not counted.
"""

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtl_bench.systems.optional_onnx import import_onnx
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import MtlError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["Flops", "count_flops", "flops_of"]

Shape = tuple[int, ...]
Shapes = Callable[[str], Shape]  # by a value's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Flops:
    """Operations of a pass over texts of which no token is padding."""

    per_pair: int  # for each pair of tokens of a text: attention's two products
    per_token: int
    per_text: int  # pooler and heads
    fixed: int  # for each batch, with any texts: counted once, since one batch could hold them all

    def of(self, lengths: Iterable[int]) -> int:
        """Operations for texts of so many tokens each, special ones included."""
        texts = sum(self.per_pair * tokens**2 + self.per_token * tokens + self.per_text for tokens in lengths)
        return texts + self.fixed


def flops_of(bundle: Bundle, variant: str) -> Flops:
    """Count the graph of ``variant``.

    Raises:
        IntegrityError: the graph's bytes do not have the hash in the manifest.
        MissingPackageError: onnx is not installed.
        MtlError: as :func:`count_flops`.
    """
    onnx = import_onnx()
    graph = bundle.check(bundle.manifest.variants[variant].graph)
    return count_flops(onnx.load(graph, load_external_data=False))  # shapes do not lie outside


def count_flops(model: "ModelProto") -> Flops:
    """Count a graph whose inputs are (batch, sequence).

    Its products are a polynomial of batch and sequence, which four sizes determine; a fifth must agree.

    Raises:
        MtlError: a product's input has no known shape, the graph has products of another kind, or their operations
            grow in another way.
    """
    from onnx.shape_inference import infer_shapes

    # The exporter's graphs hold nearly all shapes, those between com.microsoft's operators too; this adds the rest.
    graph = infer_shapes(model).graph

    def at(batch: int, sequence: int) -> int:
        return _operations(graph, {"batch": batch, "sequence": sequence})

    one_token, two_tokens, three_tokens = (at(1, tokens) for tokens in (1, 2, 3))
    text = at(2, 1) - one_token
    pair = (three_tokens - 2 * two_tokens + one_token) // 2
    token = two_tokens - one_token - 3 * pair
    flops = Flops(per_pair=pair, per_token=token, per_text=text - pair - token, fixed=one_token - text)
    if flops.of([7] * 5) != at(5, 7):
        raise MtlError(
            "the graph's products do not grow with texts, tokens and pairs of tokens; their count is not known"
        )
    return flops


def _operations(graph: "GraphProto", sizes: Mapping[str, int]) -> int:
    shapes = _shapes(graph, sizes)
    if unknown := sorted({node.op_type for node in graph.node} & _NOT_COUNTED):
        raise MtlError(f"the graph's products are not all of a known cost: it has {', '.join(unknown)}")
    return sum(_PRODUCTS[node.op_type](node, shapes) for node in graph.node if node.op_type in _PRODUCTS)


def _shapes(graph: "GraphProto", sizes: Mapping[str, int]) -> Shapes:
    """Shapes of all values once batch and sequence have these sizes."""
    constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    axes = {value.name: value.type.tensor_type.shape.dim for value in (*graph.input, *graph.value_info, *graph.output)}

    def shape(name: str) -> Shape:
        if name in constants:
            return constants[name]
        if name not in axes:
            raise MtlError(f"the graph does not hold the shape of {name}; export the bundle again")
        return tuple(_size(axis.dim_param, sizes) if axis.dim_param else axis.dim_value for axis in axes[name])

    return shape


_ARITHMETIC: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def _size(axis: str, sizes: Mapping[str, int]) -> int:
    """Value of an axis such as ``2*batch*sequence``."""

    def value(part: ast.expr) -> int:
        match part:
            case ast.Constant(value=int(number)):
                return number
            case ast.Name(id=name) if name in sizes:
                return sizes[name]
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _ARITHMETIC:
                return _ARITHMETIC[type(sign)](value(left), value(right))
        raise MtlError(f"the graph has an axis {axis!r}, which is no function of batch and sequence")

    return value(ast.parse(axis, mode="eval").body)


Count = Callable[["NodeProto", Shapes], int]


def _matmul(left: int, right: int) -> Count:
    """(..., M, K) @ (..., K, N) -> 2 M K N for each of the broadcast matrices; the places of both in the inputs."""

    def count(node: "NodeProto", shapes: Shapes) -> int:
        a, b = shapes(node.input[left]), shapes(node.input[right])
        *outer, rows, inner = a
        return 2 * math.prod(_broadcast(outer, b[:-2])) * rows * inner * b[-1]

    return count


def _gemm(node: "NodeProto", shapes: Shapes) -> int:
    a, b = shapes(node.input[0]), shapes(node.input[1])
    return 2 * math.prod(a) * (b[0] if _attributes(node).get("transB") else b[1])


def _conv(node: "NodeProto", shapes: Shapes) -> int:
    """Each output value is the sum of a kernel's products over the channels of its group."""
    return 2 * math.prod(shapes(node.output[0])) * math.prod(shapes(node.input[1])[1:])


def _attention_scores(node: "NodeProto", shapes: Shapes) -> int:
    """com.microsoft's MultiHeadAttention on (B, T, H) query, (B, S, H) key and (B, S, V) value."""
    (batch, queries, hidden), (_, keys, width) = shapes(node.input[0]), shapes(node.input[2])
    return 2 * batch * queries * keys * (hidden + width)


def _attention_with_products(node: "NodeProto", shapes: Shapes) -> int:
    """com.microsoft's QAttention on (B, T, H) data and (H, 3 V) weights: query, key, value, and attention over them."""
    (batch, tokens, hidden), (_, columns) = shapes(node.input[0]), shapes(node.input[1])
    return 2 * batch * tokens * columns * hidden + 2 * batch * tokens * tokens * 2 * columns // 3


_PRODUCTS: Mapping[str, Count] = {
    "MatMul": _matmul(0, 1),
    "MatMulInteger": _matmul(0, 1),
    "MatMulIntegerToFloat": _matmul(0, 1),
    "QLinearMatMul": _matmul(0, 3),
    "Gemm": _gemm,
    "Conv": _conv,
    "MultiHeadAttention": _attention_scores,
    "QAttention": _attention_with_products,
}
# Products that our exporter does not write; to ignore them would count too little.
_NOT_COUNTED = frozenset(
    [
        "Attention",
        "ConvInteger",
        "ConvTranspose",
        "DynamicQuantizeMatMul",
        "Einsum",
        "FusedMatMul",
        "GRU",
        "LSTM",
        "MatMulNBits",
        "QLinearConv",
        "RNN",
    ]
)


def _attributes(node: "NodeProto") -> dict[str, Any]:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _broadcast(a: Sequence[int], b: Sequence[int]) -> Shape:
    import numpy as np

    return np.broadcast_shapes(tuple(a), tuple(b))
