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

__all__ = ["INT8_ATTENTION", "PROJECTIONS", "fuse_qattention"]

INT8_ATTENTION = "QAttention"  # of com.microsoft; the CPU provider has a kernel
PROJECTIONS = 3

Parts = Sequence[tuple[str, NDArray[np.generic]]]  # of query, key and value, with their names


def fuse_qattention(model: ir.Model) -> ir.Model:
    """A copy of ``model`` whose attention operators contain their projections, wherever the operator can express it.

    An attention stays as it is if query, key and value are not all int8 projections of one input (one of them is
    excluded from int8, or rotated), if it has a bias for each pair of tokens, or if it scales its scores differently.

    Args:
        model: a graph with fused attention, from :func:`mtl_export.graphs.int8.quantize_matmuls.quantize_matmuls`.
    """
    result = model.clone()
    weights: dict[str, ir.Value] = {}
    for node in list(result.graph):
        attention = _Attention.of(node) if node.op_type == FUSED_OPERATOR else None
        if attention is not None:
            replace_node(result.graph, node, attention.with_projections_inside(result.graph, weights), node.outputs[0])
    return RemoveUnusedNodesPass()(result).model


@dataclass(frozen=True, slots=True)
class _Attention:
    """A fused attention over three int8 projections of the same input."""

    node: ir.Node
    projections: tuple[ir.Node, ...]  # query, key, value

    @classmethod
    def of(cls, node: ir.Node) -> "_Attention | None":
        """The attention of ``node``; None if the operator cannot contain its projections."""
        inputs: list[ir.Value | None] = [*node.inputs, None, None]  # absent ones at the end are cut off
        query, key, value, bias, mask, *rest = inputs
        producers = [value.producer() for value in (query, key, value) if value is not None]
        projections = [node for node in producers if node is not None and node.op_type == INT8_OPERATOR]
        if len(projections) != PROJECTIONS or mask is None or bias is not None or any(rest):
            return None
        attention = cls(node, tuple(projections))
        return attention if attention._is_standard() else None

    def _is_standard(self) -> bool:
        """One input, no other reader of the projections, one width, scores divided by the root of a head's size."""
        widths = {constant(_input_of(matmul, 1)).shape for matmul in self.projections}
        inputs = {_input_of(matmul, 0) for matmul in self.projections}
        readers = {len(matmul.outputs[0].uses()) for matmul in self.projections}
        if (len(widths), len(inputs), readers) != (1, 1, {1}):
            return False
        size = widths.pop()[1] / self.node.attributes["num_heads"].as_int()
        return bool(np.isclose(self.node.attributes["scale"].as_float(), size**-0.5, rtol=1e-6))

    def with_projections_inside(self, graph: ir.Graph, weights: dict[str, ir.Value]) -> ir.Node:
        """The node that replaces attention and projections; layers that share weights still share them."""
        whole, step, zero = (_input_of(self.projections[0], place) for place in (0, 2, 4))
        matrices, scales, biases = self._constants()
        attributes: Mapping[str, ir.Attr] = self.node.attributes
        return ir.node(
            INT8_ATTENTION,
            [
                whole,
                _concatenate(graph, weights, matrices),
                _concatenate(graph, weights, biases),
                step,
                _concatenate(graph, weights, scales),
                self.node.inputs[4],
                zero,
                # It may be left out, but onnxruntime 1.23 to 1.29 reads it all the same where it makes weights uint8,
                # and ends the process. Each node has its own: making a shared one uint8 twice is an error.
                initializer(graph, f"{self.node.name}.weight_zero", np.array(0, np.int8)),
            ],
            {name: attributes[name] for name in ("num_heads", "mask_filter_value")},
            domain="com.microsoft",
            version=1,
            name=self.node.name,
        )

    def _constants(self) -> tuple[Parts, Parts, Parts]:
        """Weights, their scales and the biases of the three projections; a missing bias becomes zeros."""
        matrices, scales, biases = [], [], []
        for matmul in self.projections:
            matrix, scale = _input_of(matmul, 1), _input_of(matmul, 3)
            bias = (*matmul.inputs, None, None)[6]  # zero point and bias are cut off where there are none
            columns = constant(matrix).shape[1:]
            matrices.append((str(matrix.name), constant(matrix)))
            scales.append((str(scale.name), np.broadcast_to(constant(scale), columns)))
            zeros = (f"zeros.{columns[0]}", np.zeros(columns, np.float32))
            biases.append(zeros if bias is None else (str(bias.name), constant(bias)))
        return matrices, scales, biases


def _concatenate(graph: ir.Graph, weights: dict[str, ir.Value], parts: Parts) -> ir.Value:
    """The parts in one initializer, stored once."""
    name = "+".join(name for name, _ in parts)
    if name not in weights:
        weights[name] = initializer(graph, name, np.concatenate([array for _, array in parts], axis=-1))
    return weights[name]


def _input_of(matmul: ir.Node, place: int) -> ir.Value:
    value = matmul.inputs[place]
    assert value is not None  # noqa: S101 - quantize_matmuls sets it
    return value
