"""int8 graph -> the same answers with fewer operators: attention that makes its query, key and value itself.

Three int8 products of one input and the attention over them become onnxruntime's QAttention. It computes the same
numbers (for heads of some sizes the scale may be rounded the other way), but has its input read once, writes query, key
and value the way attention reads them, and needs no tensors in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mtl_export.graphs.fused_attention import FUSED_OPERATOR
from mtl_export.graphs.graph_edits import initializer, replace_node
from mtl_export.graphs.int8.matmuls import constant
from mtl_export.graphs.int8.quantize_matmuls import INT8_OPERATOR

__all__ = ["INT8_ATTENTION", "PRODUCTS_INSIDE", "fuse_qattention"]

INT8_ATTENTION = "QAttention"  # of com.microsoft; the CPU provider has a kernel
PRODUCTS_INSIDE = 3

Parts = Sequence[tuple[str, NDArray[np.generic]]]  # of query, key and value, with their names


def fuse_qattention(model: ir.Model) -> ir.Model:
    """A copy of ``model`` in which attention takes its products in, wherever the operator can say the same.

    An attention stays as it is where query, key and value are not all int8 products of one input (one of them was kept
    in fp32, or is rotated), where it has a bias for each pair of tokens, or where it scales its scores in a way of its
    own.

    Args:
        model: a graph with fused attention, from :func:`mtl_export.graphs.int8.quantize_matmuls.quantize_matmuls`.
    """
    result = model.clone()
    weights: dict[str, ir.Value] = {}
    for node in list(result.graph):
        found = _Attention.of(node) if node.op_type == FUSED_OPERATOR else None
        if found is not None:
            replace_node(result.graph, node, found.with_products_inside(result.graph, weights), node.outputs[0])
    return RemoveUnusedNodesPass()(result).model


@dataclass(frozen=True, slots=True)
class _Attention:
    """A fused attention over three int8 products of the same input."""

    node: ir.Node
    products: tuple[ir.Node, ...]  # query, key, value

    @classmethod
    def of(cls, node: ir.Node) -> "_Attention | None":
        """What ``node`` is, if it can take its products in."""
        inputs: list[ir.Value | None] = [*node.inputs, None, None]  # absent ones at the end are cut off
        query, key, value, bias, mask, *rest = inputs
        products = tuple(given.producer() for given in (query, key, value) if given is not None)
        whole = [product for product in products if product is not None and product.op_type == INT8_OPERATOR]
        if len(whole) != PRODUCTS_INSIDE or mask is None or bias is not None or any(rest):
            return None
        found = cls(node, tuple(whole))
        return found if found._is_usual() else None

    def _is_usual(self) -> bool:
        """One input, nobody else who reads the products, one width, and scores divided by the root of a head's size."""
        widths = {constant(_given(product, 1)).shape for product in self.products}
        inputs = {_given(product, 0) for product in self.products}
        readers = {len(product.outputs[0].uses()) for product in self.products}
        if (len(widths), len(inputs), readers) != (1, 1, {1}):
            return False
        size = widths.pop()[1] / self.node.attributes["num_heads"].as_int()
        return bool(np.isclose(self.node.attributes["scale"].as_float(), size**-0.5, rtol=1e-6))

    def with_products_inside(self, graph: ir.Graph, weights: dict[str, ir.Value]) -> ir.Node:
        """The node that takes the place of attention and products; layers that share weights go on sharing them."""
        whole, step, zero = (_given(self.products[0], place) for place in (0, 2, 4))
        matrices, scales, biases = self._constants()
        kept: Mapping[str, ir.Attr] = self.node.attributes
        return ir.node(
            INT8_ATTENTION,
            [
                whole,
                _joined(graph, weights, matrices),
                _joined(graph, weights, biases),
                step,
                _joined(graph, weights, scales),
                self.node.inputs[4],
                zero,
            ],
            {name: kept[name] for name in ("num_heads", "mask_filter_value")},
            domain="com.microsoft",
            version=1,
            name=self.node.name,
        )

    def _constants(self) -> tuple[Parts, Parts, Parts]:
        """Weights, their scales and the biases of the three products; no bias is one of zeros here."""
        matrices, scales, biases = [], [], []
        for product in self.products:
            matrix, scale = _given(product, 1), _given(product, 3)
            bias = (*product.inputs, None, None)[6]  # zero point and bias are cut off where there are none
            columns = constant(matrix).shape[1:]
            matrices.append((str(matrix.name), constant(matrix)))
            scales.append((str(scale.name), np.broadcast_to(constant(scale), columns)))
            zeros = (f"zeros.{columns[0]}", np.zeros(columns, np.float32))
            biases.append(zeros if bias is None else (str(bias.name), constant(bias)))
        return matrices, scales, biases


def _joined(graph: ir.Graph, weights: dict[str, ir.Value], parts: Parts) -> ir.Value:
    """The parts side by side, made once."""
    name = "+".join(name for name, _ in parts)
    if name not in weights:
        weights[name] = initializer(graph, name, np.concatenate([array for _, array in parts], axis=-1))
    return weights[name]


def _given(product: ir.Node, place: int) -> ir.Value:
    value = product.inputs[place]
    assert value is not None  # noqa: S101 - int8_products sets it
    return value
