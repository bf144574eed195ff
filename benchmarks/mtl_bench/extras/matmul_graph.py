"""style of arithmetic + shape -> the ONNX graph of a matrix product, written with the operators of the variants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["OUTPUT", "STYLES", "TABLE_ROWS", "ProductShape", "product_graph"]

OUTPUT = "first_rows"
# The opset and format of the exporter's graphs.
_OPSET, _IR_VERSION = 20, 10
# The left matrix is gathered from so many rows; a single one, repeated, would be a product that can be skipped.
TABLE_ROWS = 64

# Nodes that end in product_0, product_1, ..., and their constants.
NodesAndConstants = tuple[list["NodeProto"], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductShape:
    """(rows, inner) @ (inner, columns)."""

    rows: int  # tokens of a batch
    inner: int
    columns: int

    @property
    def flops(self) -> int:
        """A multiplication and an addition are two."""
        return 2 * self.rows * self.inner * self.columns


def product_graph(style: str, shape: ProductShape, *, products: int = 1) -> "ModelProto":
    """A graph that takes as long as ``products`` products of one left matrix with different constant ones.

    The left matrix is gathered from a small table by token ids, as an encoder's first is, so that nothing can be
    computed before the run; of each product the first row is returned. Compared with the product, both cost as little
    as one over its columns.

    Args:
        style: of :data:`STYLES`.
        shape: of each product.
        products: more than one where a device finishes one before it is sent the next.

    Returns:
        A graph from ``input_ids``, int64 (1, rows), to :data:`OUTPUT`, float32 (1, products, columns).
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = STYLES[style](shape, products)
    for number in range(products):
        row = f"row_{number}"
        nodes.append(helper.make_node("Slice", [f"product_{number}", "zero", "one", "one"], [row]))
        nodes.append(helper.make_node("Cast", [row], [f"{row}.float"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Concat", [f"row_{number}.float" for number in range(products)], [OUTPUT], axis=1))
    constants |= {"zero": np.array([0]), "one": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, (1, shape.rows))],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, (1, products, shape.columns))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=_IR_VERSION)


def _float_matmuls(dtype: str, shape: ProductShape, products: int) -> NodesAndConstants:
    """MatMul in that type."""
    from onnx import helper

    generator, type_ = np.random.default_rng(0), _numpy_type(dtype)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["data"])]
    constants = {"table": generator.standard_normal((TABLE_ROWS, shape.inner), dtype=np.float32).astype(type_)}
    for number in range(products):
        matrix = generator.standard_normal((shape.inner, shape.columns), dtype=np.float32).astype(type_)
        constants[f"matrix_{number}"] = matrix
        nodes.append(helper.make_node("MatMul", ["data", f"matrix_{number}"], [f"product_{number}"]))
    return nodes, constants


def _integer_matmuls(shape: ProductShape, products: int) -> NodesAndConstants:
    """The operator of cpu-int8's graphs (docs/adr/0007): uint8 by int8, to floats."""
    from onnx import helper

    generator = np.random.default_rng(0)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["data"])]
    constants = {
        "table": generator.integers(0, 256, (TABLE_ROWS, shape.inner), dtype=np.uint8),
        "step": np.float32(0.01),
        "zero_point": np.uint8(128),
        "steps": np.full(shape.columns, 0.01, dtype=np.float32),
    }
    for number in range(products):
        matrix = f"matrix_{number}"
        constants[matrix] = generator.integers(-127, 128, (shape.inner, shape.columns), dtype=np.int8)
        inputs = ["data", matrix, "step", "steps", "zero_point"]
        nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, [f"product_{number}"], domain="com.microsoft"))
    return nodes, constants


def _qdq_matmuls(shape: ProductShape, products: int) -> NodesAndConstants:
    """MatMul between the QDQ pairs of openvino-int8's graphs, which providers turn into their own int8 products."""
    from onnx import helper

    nodes, constants = _float_matmuls("float32", shape, products)
    constants |= {"step": np.float32(0.02), "zero_point": np.uint8(128)}
    constants["steps"] = np.full(shape.columns, 0.02, dtype=np.float32)
    nodes = [
        nodes[0],
        helper.make_node("QuantizeLinear", ["data", "step", "zero_point"], ["data.int8"]),
        helper.make_node("DequantizeLinear", ["data.int8", "step", "zero_point"], ["data.restored"]),
    ]
    for number in range(products):
        matrix = f"matrix_{number}"
        constants[matrix] = np.clip(np.rint(constants[matrix] / 0.02), -127, 127).astype(np.int8)
        nodes.append(helper.make_node("DequantizeLinear", [matrix, "steps"], [f"{matrix}.restored"], axis=1))
        nodes.append(helper.make_node("MatMul", ["data.restored", f"{matrix}.restored"], [f"product_{number}"]))
    return nodes, constants


def _numpy_type(dtype: str) -> Any:
    if dtype != "bfloat16":
        return np.dtype(dtype)
    import ml_dtypes  # comes with onnx

    return ml_dtypes.bfloat16


STYLES: Mapping[str, Callable[[ProductShape, int], NodesAndConstants]] = {
    "float32": partial(_float_matmuls, "float32"),
    "float16": partial(_float_matmuls, "float16"),
    "bfloat16": partial(_float_matmuls, "bfloat16"),
    "integers": _integer_matmuls,
    "qdq": _qdq_matmuls,
}
