"""graph -> the same graph with one SkipLayerNormalization for each addition and the normalization after it."""

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mtl_export.graphs.graph_edits import replace_node

__all__ = ["fuse_skip_norms"]


def fuse_skip_norms(model: ir.Model) -> ir.Model:
    """A copy of ``model``, fused as onnxruntime's optimizer would (the runtime does not let it)."""
    result = model.clone()
    for node in list(result.graph):
        addition = node.inputs[0].producer() if node.op_type == "LayerNormalization" and node.inputs[0] else None
        if addition is not None and _is_fusable(addition):
            fused = ir.node(
                "SkipLayerNormalization",
                [*addition.inputs, *node.inputs[1:]],
                {"epsilon": node.attributes["epsilon"].as_float()},
                domain="com.microsoft",
                version=1,
                name=str(node.name),
            )
            replace_node(result.graph, node, fused, node.outputs[0])
    result.opset_imports["com.microsoft"] = 1
    return RemoveUnusedNodesPass()(result).model


def _is_fusable(addition: ir.Node) -> bool:
    """Two values of one shape, added for the normalization alone."""
    if addition.op_type != "Add" or len(addition.outputs[0].uses()) != 1:
        return False
    left, right = addition.inputs
    if left is None or right is None or left.is_initializer() or right.is_initializer():
        return False
    return left.shape == right.shape
