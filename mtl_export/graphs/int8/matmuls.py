"""graph -> its MatMuls with constant weights: where an encoder spends its time, and what int8 replaces."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

__all__ = ["MatMul", "find_matmuls"]


@dataclass(frozen=True, slots=True)
class MatMul:
    """``output = data @ weight + bias`` on rows of tokens."""

    name: str  # of the node: the module's path in the model
    node: ir.Node
    bias: ir.Value | None  # initializer (outputs,), where it is added to nothing else
    addition: ir.Node | None  # the node that adds it

    @property
    def data(self) -> ir.Value:
        """What is multiplied, (..., inputs); looked up each time, because its producer may have been replaced."""
        assert self.node.inputs[0] is not None  # noqa: S101 - a MatMul has both
        return self.node.inputs[0]

    @property
    def weight(self) -> ir.Value:
        """Initializer (inputs, outputs)."""
        assert self.node.inputs[1] is not None  # noqa: S101 - a MatMul has both
        return self.node.inputs[1]

    @property
    def output(self) -> ir.Value:
        """What the rest of the graph reads."""
        return (self.addition or self.node).outputs[0]

    @property
    def matrix(self) -> NDArray[np.float32]:
        """The weight's values."""
        return constant(self.weight)


def find_matmuls(model: ir.Model) -> list[MatMul]:
    """The MatMuls of ``model`` in its order; heads and poolers are Gemm nodes, too small to matter."""
    return list(_products(model.graph))


def constant(value: ir.Value) -> NDArray[np.float32]:
    """Values of an initializer."""
    assert value.const_value is not None  # noqa: S101 - an initializer has them
    return value.const_value.numpy()


def _products(graph: ir.Graph) -> Iterator[MatMul]:
    for node in graph:
        if node.op_type != "MatMul" or node.domain != "":
            continue
        data, weight = node.inputs
        if data is None or weight is None or not weight.is_initializer() or constant(weight).ndim != 2:
            continue
        addition, bias = _bias(node.outputs[0])
        yield MatMul(str(node.name), node, bias, addition)


def _bias(matmul: ir.Value) -> tuple[ir.Node | None, ir.Value | None]:
    uses = matmul.uses()
    if len(uses) != 1 or matmul.is_graph_output():
        return None, None
    (use,) = uses
    if use.node.op_type != "Add":
        return None, None
    for value in use.node.inputs:
        if value is not None and value.is_initializer() and constant(value).ndim == 1:
            return use.node, value
    return None, None
