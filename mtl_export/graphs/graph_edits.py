"""a graph and a place in it -> the graph rewritten there: what several steps do to nodes and initializers."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

__all__ = ["initializer", "replace_node"]


def replace_node(graph: ir.Graph, old: ir.Node, new: ir.Node, output: ir.Value) -> None:
    """Put ``new`` where ``old`` stands: its one output becomes ``output`` for all readers."""
    value = new.outputs[0]
    value.name, value.type, value.shape = output.name, output.type, output.shape
    ir.convenience.replace_nodes_and_values(graph, old, [old], [new], [output], [value])


def initializer(graph: ir.Graph, name: str, values: NDArray[np.generic] | np.generic) -> ir.Value:
    """Add a constant to ``graph``."""
    array = np.asarray(values)
    return register(graph, ir.tensor(array, name=name))


def register(graph: ir.Graph, tensor: ir.TensorProtocol) -> ir.Value:
    """Add a tensor of any type, bfloat16 too, as a constant of its own name."""
    value = ir.Value(
        name=tensor.name, shape=ir.Shape(tensor.shape.numpy()), type=ir.TensorType(tensor.dtype), const_value=tensor
    )
    graph.register_initializer(value)
    return value
