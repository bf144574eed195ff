"""fp32 graph (+ ranges) -> the same graph with its encoder in fp16 or bf16; pooling, heads and ends stay fp32.

Weights are stored in the narrow type. Kernels of the CUDA provider sum, normalize and exponentiate in fp32 inside
attention, LayerNormalization and Softmax whatever the type of their ends.
"""

from collections.abc import Iterator, Mapping

import ml_dtypes
import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mtl_export.graphs.graph_edits import register
from mtl_export.graphs.int8.activation_ranges import ActivationRange
from mtl_export.graphs.int8.matmuls import constant
from mtl_export.graphs.trace import ENCODER

__all__ = ["convert_encoder", "encoder_float_values", "fp16_overflow_nodes"]

# The largest fp16 is 65504; sentences that nobody measured may go further than those that somebody did.
_SAFE_FP16 = 65504 / 2
# What a mask adds where nothing may be seen; exp of it is 0 next to any score.
_MASKED = -1e4
_NUMPY = {ir.DataType.FLOAT16: np.float16, ir.DataType.BFLOAT16: ml_dtypes.bfloat16}
# Positions times frequencies need more bits than fp16 has: what leads to these stays fp32.
_ANGLES = ("Sin", "Cos")
# Their float values are attributes, or counted up one by one.
_UNTOUCHED = ("ConstantOfShape", "Range")


def encoder_float_values(model: ir.Model) -> list[str]:
    """Names of the encoder's float values, whose ranges decide what fits into fp16."""
    return [
        str(value.name)
        for node in model.graph
        if _in_encoder(node)
        for value in node.outputs
        if value.dtype == ir.DataType.FLOAT
    ]


def fp16_overflow_nodes(model: ir.Model, ranges: Mapping[str, ActivationRange]) -> list[str]:
    """Names of the encoder's nodes with an output, or a weight, that fp16 cannot hold with room to spare."""
    return [
        str(node.name)
        for node in model.graph
        if _in_encoder(node)
        and (
            any(ranges[str(value.name)].largest > _SAFE_FP16 for value in node.outputs if str(value.name) in ranges)
            or any(_too_large(value) for value in node.inputs if value is not None)
        )
    ]


def convert_encoder(model: ir.Model, to: ir.DataType, *, excluded: frozenset[str] = frozenset()) -> ir.Model:
    """A copy of ``model`` whose encoder computes in ``to``.

    Args:
        model: an fp32 graph with named modules.
        to: FLOAT16 or BFLOAT16.
        excluded: names of nodes that stay fp32 in addition to those that lead to an angle.
    """
    result = model.clone()
    stays = excluded | set(_leading_to_angles(result.graph))
    narrow = [
        node
        for node in result.graph
        if _in_encoder(node) and node.name not in stays and node.op_type not in _UNTOUCHED and _has_floats(node)
    ]
    _PrecisionCaster(result.graph, to, {id(value) for node in narrow for value in node.outputs}).run()
    return RemoveUnusedNodesPass()(result).model


class _PrecisionCaster:
    """Gives each node inputs of its own type: constants are stored in it, values are cast once."""

    def __init__(self, graph: ir.Graph, to: ir.DataType, narrow: set[int]) -> None:
        self._graph, self._to, self._narrow = graph, to, narrow
        self._made: dict[tuple[str, ir.DataType], ir.Value] = {}

    def run(self) -> None:
        floats = {id(value) for value in _floats(self._graph)}
        for node in list(self._graph):
            is_narrow = id(node.outputs[0]) in self._narrow
            for index, value in enumerate(node.inputs):
                if value is not None and id(value) in floats and is_narrow != (id(value) in self._narrow):
                    node.replace_input_with(index, self._as(value, self._to if is_narrow else ir.DataType.FLOAT))
            if is_narrow:
                self._retype(node, floats)
        assert not any(id(value) in self._narrow for value in self._graph.outputs)  # noqa: S101 - pooling is fp32

    def _retype(self, node: ir.Node, floats: set[int]) -> None:
        if node.op_type == "Cast":
            node.attributes["to"] = ir.AttrInt64("to", int(self._to))
        for value in node.outputs:
            if id(value) in floats:
                value.type = ir.TensorType(self._to)

    def _as(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        key = str(value.name), dtype
        if key not in self._made:
            self._made[key] = self._constant(value) if value.is_initializer() else self._cast(value, dtype)
        return self._made[key]

    def _constant(self, value: ir.Value) -> ir.Value:
        array = constant(value)
        bounded = np.maximum(array, _MASKED) if array.size == 1 else array
        name = f"{value.name}.{self._to.name.lower()}"
        return register(self._graph, ir.Tensor(bounded.astype(_NUMPY[self._to]), dtype=self._to, name=name))

    def _cast(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        node = ir.node("Cast", [value], {"to": int(dtype)}, name=f"{value.name}.{dtype.name.lower()}")
        node.outputs[0].name, node.outputs[0].shape = node.name, value.shape
        node.outputs[0].type = ir.TensorType(dtype)
        producer = value.producer()
        if producer is None:
            self._graph.insert_before(self._graph[0], node)
        else:
            self._graph.insert_after(producer, node)
        return node.outputs[0]


def _in_encoder(node: ir.Node) -> bool:
    """The encoder's own pooler is pooling: it reads one token, and stays fp32."""
    name = str(node.name)
    return name.startswith(ENCODER) and not name.startswith(f"{ENCODER}.pooler")


def _has_floats(node: ir.Node) -> bool:
    return any(value.dtype == ir.DataType.FLOAT for value in node.outputs)


def _floats(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from (value for value in graph.initializers.values() if value.dtype == ir.DataType.FLOAT)
    yield from (value for node in graph for value in node.outputs if value.dtype == ir.DataType.FLOAT)


def _too_large(value: ir.Value) -> bool:
    """A weight beyond fp16; a single number is a mask's constant, which is bounded instead."""
    if not value.is_initializer() or value.dtype != ir.DataType.FLOAT:
        return False
    array = constant(value)
    return array.size > 1 and bool(np.abs(array).max() > _SAFE_FP16)


def _leading_to_angles(graph: ir.Graph) -> Iterator[str]:
    waiting = [node for node in graph if node.op_type in _ANGLES]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield str(node.name)
        waiting += [producer for value in node.inputs if value is not None and (producer := value.producer())]
