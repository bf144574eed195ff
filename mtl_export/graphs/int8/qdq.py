"""fp32 graph + activation ranges -> the same graph with QuantizeLinear and DequantizeLinear around its MatMuls.

For providers that turn such pairs into int8 kernels of their own (OpenVINO, TensorRT). onnxruntime's CPU provider does
so too today, by a rewrite of its optimizer; cpu-int8 does not depend on it (docs/adr/0007).
"""

from collections.abc import Container, Mapping

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mtl_export.graphs.graph_edits import initializer
from mtl_export.graphs.int8.activation_ranges import ActivationRange
from mtl_export.graphs.int8.matmuls import MatMul, find_matmuls
from mtl_export.graphs.int8.quantize_matmuls import Scale, column_steps

__all__ = ["insert_qdq"]


def insert_qdq(model: ir.Model, ranges: Mapping[str, ActivationRange], *, excluded: Container[str] = ()) -> ir.Model:
    """A copy of ``model``; arguments as in :func:`mtl_export.graphs.int8.quantize_matmuls.quantize_matmuls`."""
    result = model.clone()
    shared: dict[str, ir.Value] = {}
    for matmul in find_matmuls(result):
        if matmul.name not in excluded:
            data, weight = str(matmul.data.name), str(matmul.weight.name)
            if data not in shared:
                shared[data] = _activation(result.graph, matmul, ranges[data])
            if weight not in shared:
                shared[weight] = _weight(result.graph, matmul)
            matmul.node.replace_input_with(0, shared[data])
            matmul.node.replace_input_with(1, shared[weight])
    return RemoveUnusedNodesPass()(result).model


def _activation(graph: ir.Graph, matmul: MatMul, seen: ActivationRange) -> ir.Value:
    name = str(matmul.data.name)
    scale = Scale.affine_scale(float(seen.low.min()), float(seen.high.max()))
    step = initializer(graph, f"{name}.scale", np.float32(scale.step))
    zero = initializer(graph, f"{name}.zero", np.uint8(scale.zero))
    quantize = ir.node("QuantizeLinear", [matmul.data, step, zero], name=f"{matmul.name}.quantize")
    quantize.outputs[0].name = f"{name}.int8"
    dequantize = ir.node("DequantizeLinear", [quantize.outputs[0], step, zero], name=f"{matmul.name}.dequantize")
    dequantize.outputs[0].name = f"{name}.restored"
    graph.insert_before(matmul.node, [quantize, dequantize])
    return dequantize.outputs[0]


def _weight(graph: ir.Graph, matmul: MatMul) -> ir.Value:
    name = str(matmul.weight.name)
    steps = column_steps(matmul.matrix, axis=0)
    whole = initializer(graph, f"{name}.int8", np.rint(matmul.matrix / steps).astype(np.int8))
    scale = initializer(graph, f"{name}.scale", steps[0])
    dequantize = ir.node("DequantizeLinear", [whole, scale], {"axis": 1}, name=f"{matmul.name}.weight")
    dequantize.outputs[0].name = f"{name}.restored"
    graph.insert_before(matmul.node, dequantize)
    return dequantize.outputs[0]
