"""fp32 graph + activation ranges -> the same graph with QuantizeLinear and DequantizeLinear around its matrix products.

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


def insert_qdq(model: ir.Model, ranges: Mapping[str, ActivationRange], *, kept: Container[str] = ()) -> ir.Model:
    """A copy of ``model``; arguments as in :func:`mtl_export.graphs.int8.quantize_matmuls.quantize_matmuls`."""
    result = model.clone()
    made: dict[str, ir.Value] = {}
    for product in find_matmuls(result):
        if product.name not in kept:
            data, weight = str(product.data.name), str(product.weight.name)
            if data not in made:
                made[data] = _activation(result.graph, product, ranges[data])
            if weight not in made:
                made[weight] = _weight(result.graph, product)
            product.node.replace_input_with(0, made[data])
            product.node.replace_input_with(1, made[weight])
    return RemoveUnusedNodesPass()(result).model


def _activation(graph: ir.Graph, product: MatMul, seen: ActivationRange) -> ir.Value:
    name = str(product.data.name)
    scale = Scale.affine_scale(float(seen.low.min()), float(seen.high.max()))
    step = initializer(graph, f"{name}.scale", np.float32(scale.step))
    zero = initializer(graph, f"{name}.zero", np.uint8(scale.zero))
    quantize = ir.node("QuantizeLinear", [product.data, step, zero], name=f"{product.name}.quantize")
    quantize.outputs[0].name = f"{name}.int8"
    dequantize = ir.node("DequantizeLinear", [quantize.outputs[0], step, zero], name=f"{product.name}.dequantize")
    dequantize.outputs[0].name = f"{name}.restored"
    graph.insert_before(product.node, [quantize, dequantize])
    return dequantize.outputs[0]


def _weight(graph: ir.Graph, product: MatMul) -> ir.Value:
    name = str(product.weight.name)
    steps = column_steps(product.matrix, axis=0)
    whole = initializer(graph, f"{name}.int8", np.rint(product.matrix / steps).astype(np.int8))
    scale = initializer(graph, f"{name}.scale", steps[0])
    dequantize = ir.node("DequantizeLinear", [whole, scale], {"axis": 1}, name=f"{product.name}.weight")
    dequantize.outputs[0].name = f"{name}.restored"
    graph.insert_before(product.node, dequantize)
    return dequantize.outputs[0]
