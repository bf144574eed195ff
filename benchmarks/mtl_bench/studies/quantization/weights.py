"""int8 graph of ours + the fp32 graph it came from -> the same with weights rounded to other steps."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mtl_export.graphs.int8.matmuls import constant
from mtl_export.graphs.int8.quantize_matmuls import INT8_OPERATOR

__all__ = ["StepsOf", "requantize_weights", "tensor_steps"]

StepsOf = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (inputs, outputs) -> (1, outputs) or (1, 1)


def requantize_weights(quantized: ir.Model, original: ir.Model, steps_of: StepsOf) -> ir.Model:
    """A copy of ``quantized``, whose MatMul weights are rounded from those of ``original`` to other steps."""
    result = quantized.clone()
    for node in result.graph:
        if node.op_type == INT8_OPERATOR:
            weight, scale = node.inputs[1], node.inputs[3]
            assert weight is not None and scale is not None  # noqa: S101, PT018 - quantize_matmuls sets both
            matrix = constant(original.graph.initializers[str(weight.name).removesuffix(".int8")])
            steps = steps_of(matrix)
            _set(weight, np.rint(matrix / steps).astype(np.int8))
            _set(scale, steps.reshape(-1) if steps.size > 1 else steps.reshape(()))
    return result


def tensor_steps(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """One step for the whole weight."""
    return np.asarray(np.abs(matrix).max(keepdims=True) / 127, dtype=np.float32)


def _set(value: ir.Value, array: NDArray[np.generic]) -> None:
    tensor = ir.tensor(array, name=value.name)
    value.const_value, value.shape, value.type = tensor, ir.Shape(array.shape), ir.TensorType(tensor.dtype)
