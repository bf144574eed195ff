"""fp32 graph + activation ranges -> int8 graph: integer MatMuls with scales that are fixed at export.

Each MatMul ``x @ W + b`` becomes QuantizeLinear (uint8, one scale) and MatMulIntegerToFloat (int8 weights, one scale
per output column). A fixed scale makes a row's answer independent of the other rows, which a scale taken from
the batch (onnxruntime's dynamic quantization) does not.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mtl_export.graphs.graph_edits import initializer, replace_node
from mtl_export.graphs.int8.activation_ranges import ActivationRange
from mtl_export.graphs.int8.matmuls import MatMul, constant, find_matmuls

__all__ = ["INT8_OPERATOR", "LARGEST", "Scale", "column_steps", "quantize_embeddings", "quantize_matmuls"]

INT8_OPERATOR = "MatMulIntegerToFloat"  # of com.microsoft; the CPU provider's own kernel
# Weights of 8 and 7 bits run from -largest to largest. Two products of 63 and uint8 fit 16 bits (2 x 255 x 63 is
# 32,130), where x86 processors without VNNI add such pairs, and cut off what does not fit.
LARGEST: Mapping[int, int] = {8: 127, 7: 63}
# A smaller table is not worth a second operator.
_TABLE_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Scale:
    """How uint8 stands for a float: ``(whole - zero) * step``."""

    step: float
    zero: int

    @classmethod
    def affine_scale(cls, low: float, high: float) -> "Scale":
        """The scale that covers [low, high] and holds 0 exactly."""
        low, high = min(low, 0.0), max(high, 0.0)
        step = max(high - low, float(np.finfo(np.float32).tiny)) / 255
        return cls(step, round(-low / step))


def quantize_matmuls(
    model: ir.Model, ranges: Mapping[str, ActivationRange], *, bits: int = 8, excluded: Container[str] = ()
) -> ir.Model:
    """A copy of ``model`` with int8 MatMuls.

    Args:
        model: an fp32 graph.
        ranges: of each MatMul's input, by value name, from
            :func:`mtl_export.graphs.int8.activation_ranges.collect_activation_ranges`.
        bits: of the weights, a key of :data:`LARGEST`; stored as int8 in any case.
        excluded: names of MatMuls that stay as they are.
    """
    result = model.clone()
    builder = _Builder(result.graph, LARGEST[bits])
    for matmul in find_matmuls(result):
        if matmul.name not in excluded:
            builder.replace(matmul, ranges[str(matmul.data.name)])
    result.opset_imports["com.microsoft"] = 1
    return RemoveUnusedNodesPass()(result).model


def quantize_embeddings(model: ir.Model) -> ir.Model:
    """A copy of ``model`` whose large embedding tables are int8 with one scale per row."""
    result = model.clone()
    graph = result.graph
    tables: dict[str, tuple[ir.Value, ir.Value]] = {}  # several nodes may look up rows of one
    for node in list(graph):
        table = node.inputs[0] if node.op_type == "Gather" else None
        if table is None or not table.is_initializer() or constant(table).ndim != 2:
            continue
        if len(constant(table)) >= _TABLE_ROWS and constant(table).dtype == np.float32:
            name = str(table.name)
            tables[name] = tables.get(name) or _quantize_table(graph, table)
            _look_up(graph, node, *tables[name])
    return RemoveUnusedNodesPass()(result).model


class _Builder:
    """Replaces MatMuls one by one; what several of them share is stored once."""

    def __init__(self, graph: ir.Graph, largest: int) -> None:
        self._graph, self._largest = graph, largest
        self._inputs: dict[str, tuple[ir.Value, ir.Value, ir.Value]] = {}
        self._weights: dict[str, tuple[ir.Value, ir.Value]] = {}

    def replace(self, matmul: MatMul, seen: ActivationRange) -> None:
        whole, step, zero = self._input(matmul, seen)
        matrix, steps = self._weight(matmul)
        node = ir.node(
            INT8_OPERATOR,
            [whole, matrix, step, steps, zero, None, matmul.bias],
            domain="com.microsoft",
            version=1,
            name=matmul.name,
        )
        replace_node(self._graph, matmul.addition or matmul.node, node, matmul.output)

    def _input(self, matmul: MatMul, seen: ActivationRange) -> tuple[ir.Value, ir.Value, ir.Value]:
        key = str(matmul.data.name)
        if key not in self._inputs:
            scale = Scale.affine_scale(float(seen.low.min()), float(seen.high.max()))
            step = initializer(self._graph, f"{key}.scale", np.float32(scale.step))
            zero = initializer(self._graph, f"{key}.zero", np.uint8(scale.zero))
            quantize = ir.node("QuantizeLinear", [matmul.data, step, zero], name=f"{matmul.name}.input")
            quantize.outputs[0].name = f"{key}.int8"
            self._graph.insert_before(matmul.node, quantize)
            self._inputs[key] = quantize.outputs[0], step, zero
        return self._inputs[key]

    def _weight(self, matmul: MatMul) -> tuple[ir.Value, ir.Value]:
        key = str(matmul.weight.name)
        if key not in self._weights:
            steps = column_steps(matmul.matrix, axis=0, largest=self._largest)
            self._weights[key] = (
                initializer(self._graph, f"{key}.int8", np.rint(matmul.matrix / steps).astype(np.int8)),
                initializer(self._graph, f"{key}.scale", steps[0]),
            )
        return self._weights[key]


def column_steps(values: NDArray[np.float32], *, axis: int, largest: int = LARGEST[8]) -> NDArray[np.float32]:
    """One symmetric scale for each column or row: its largest value becomes ``largest``."""
    extreme = np.abs(values).max(axis=axis, keepdims=True)
    return np.asarray(np.maximum(extreme, np.finfo(np.float32).tiny) / largest, dtype=np.float32)


def _quantize_table(graph: ir.Graph, table: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The rows as int8, and their scales."""
    values = constant(table)
    steps = column_steps(values, axis=1)
    whole = initializer(graph, f"{table.name}.int8", np.rint(values / steps).astype(np.int8))
    return whole, initializer(graph, f"{table.name}.scale", steps)


def _look_up(graph: ir.Graph, node: ir.Node, whole: ir.Value, scales: ir.Value) -> None:
    """Let ``node`` take its rows from an int8 table."""
    rows = ir.node("Gather", [whole, node.inputs[1]], name=f"{node.name}.rows")
    floats = ir.node("Cast", [rows.outputs[0]], {"to": ir.DataType.FLOAT}, name=f"{node.name}.floats")
    scale = ir.node("Gather", [scales, node.inputs[1]], name=f"{node.name}.scales")
    for added in (rows, floats, scale):
        added.outputs[0].name = added.name
        graph.insert_before(node, added)
    rescaled = ir.node("Mul", [floats.outputs[0], scale.outputs[0]], name=str(node.name))
    replace_node(graph, node, rescaled, node.outputs[0])
