"""fp32 graph + activation ranges -> the same graph with QuantizeLinear and DequantizeLinear around its products.

For providers that make int8 products of their own from such pairs (OpenVINO, TensorRT). onnxruntime's CPU provider does
so too today, by a rewrite of its optimizer; cpu-int8 does not depend on it (docs/adr/0007).
"""

from collections.abc import Container, Mapping

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mtl_export.graphs.graph_edits import initializer
from mtl_export.graphs.int8.activation_ranges import Range
from mtl_export.graphs.int8.matmuls import Product, products
from mtl_export.graphs.int8.quantize_matmuls import Scale, column_steps

__all__ = ["qdq_products"]


def qdq_products(model: ir.Model, ranges: Mapping[str, Range], *, kept: Container[str] = ()) -> ir.Model:
    """A copy of ``model``; arguments as in :func:`mtl_export.graphs.int8.quantize_matmuls.int8_products`."""
    result = model.clone()
    made: dict[str, ir.Value] = {}
    for product in products(result):
        if product.name not in kept:
            data, weight = str(product.data.name), str(product.weight.name)
            if data not in made:
                made[data] = _activation(result.graph, product, ranges[data])
            if weight not in made:
                made[weight] = _weight(result.graph, product)
            product.node.replace_input_with(0, made[data])
            product.node.replace_input_with(1, made[weight])
    return RemoveUnusedNodesPass()(result).model


def _activation(graph: ir.Graph, product: Product, seen: Range) -> ir.Value:
    name = str(product.data.name)
    scale = Scale.of(float(seen.low.min()), float(seen.high.max()))
    step = initializer(graph, f"{name}.scale", np.float32(scale.step))
    zero = initializer(graph, f"{name}.zero", np.uint8(scale.zero))
    quantize = ir.node("QuantizeLinear", [product.data, step, zero], name=f"{product.name}.quantize")
    quantize.outputs[0].name = f"{name}.int8"
    dequantize = ir.node("DequantizeLinear", [quantize.outputs[0], step, zero], name=f"{product.name}.dequantize")
    dequantize.outputs[0].name = f"{name}.restored"
    graph.insert_before(product.node, [quantize, dequantize])
    return dequantize.outputs[0]


def _weight(graph: ir.Graph, product: Product) -> ir.Value:
    name = str(product.weight.name)
    steps = column_steps(product.matrix, axis=0)
    whole = initializer(graph, f"{name}.int8", np.rint(product.matrix / steps).astype(np.int8))
    scale = initializer(graph, f"{name}.scale", steps[0])
    dequantize = ir.node("DequantizeLinear", [whole, scale], {"axis": 1}, name=f"{product.name}.weight")
    dequantize.outputs[0].name = f"{name}.restored"
    graph.insert_before(product.node, dequantize)
    return dequantize.outputs[0]
