"""Weights of 7 bits: on x86 kernels that add two products in 16 bits, no input saturates."""

from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, helper, numpy_helper

from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.int8.activation_ranges import ActivationRange
from mtl_export.graphs.int8.matmuls import constant, find_matmuls
from mtl_export.graphs.int8.quantize_attention import INT8_ATTENTION
from mtl_export.graphs.int8.quantize_matmuls import INT8_OPERATOR, LARGEST, Scale, quantize_matmuls
from mtl_export.graphs.passes import save
from mtl_export.graphs.recipes import RECIPES
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.providers import session as sessions
from mtl_runtime.providers.session import Session, import_onnxruntime
from mtl_runtime.text.batch import Batch
from tests.export.graphs.family_graphs import OUTPUTS, TASKS, model_of, ragged

RECIPE = RECIPES["cpu-avx2-int8"]
WITHOUT_VNNI = replace(machine_facts(), architecture="x86_64", cpu_flags=("avx2", "fma"))
EXTREMES = np.array([0, 1, 127, 128, 254, 255], np.uint8)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seven")
    return GraphBuilder(model_of(folder / "encoder", "bert", "mean"), TASKS, ragged(64, 40, seed=1), folder)


def exact_sums(activations, weights):
    return activations.astype(np.int64) @ weights.astype(np.int64)


def saturating_sums(activations, weights):
    """What vpmaddubsw and its successors compute: neighbours along the sum are added in 16 bits, then in 32."""
    products = activations.astype(np.int64)[:, :, None] * weights.astype(np.int64)
    products = np.pad(products, ((0, 0), (0, products.shape[1] % 2), (0, 0)))
    pairs = products[:, 0::2] + products[:, 1::2]
    return pairs.clip(-(2**15), 2**15 - 1).sum(axis=1)


def weights_of(model):
    """The int8 weights of all MatMuls, whether alone or inside an attention."""
    places = {INT8_OPERATOR: 1, INT8_ATTENTION: 1}
    return [constant(node.inputs[1]) for node in model.graph if node.op_type in places]


def worst_rows(weights):
    """Activations that make the sums of each column as large, and as small, as they can become."""
    return np.concatenate([np.where(weights > 0, 255, 0).T, np.where(weights < 0, 255, 0).T]).astype(np.uint8)


def quantized(matrix, bits):
    """Whole weights, their steps and the int8 graph of one MatMul with that matrix, for inputs from -1 to 1."""
    inputs, outputs = matrix.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("rows", inputs))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("rows", outputs))],
        [numpy_helper.from_array(matrix, "w")],
    )
    model = ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))
    one = np.ones(inputs, np.float32)
    return quantize_matmuls(model, {"x": ActivationRange(-one, one)}, bits=bits)


@pytest.mark.parametrize("excluded", [(), (0, 3)])
def test_no_weight_of_the_variant_has_more_than_7_bits_smoothed_and_repaired_too(graphs, excluded):
    names = [matmul.name for matmul in find_matmuls(graphs.fused)]
    built = weights_of(RECIPE.build(graphs, frozenset(names[place] for place in excluded)))
    assert {int(np.abs(weights).max()) for weights in built} == {LARGEST[7]}
    assert all(np.array_equal(saturating_sums(worst_rows(w), w), exact_sums(worst_rows(w), w)) for w in built)


def test_the_same_model_in_8_bits_does_saturate(graphs):
    built = weights_of(RECIPES["cpu-int8"].build(graphs, frozenset()))
    assert not any(np.array_equal(saturating_sums(worst_rows(w), w), exact_sums(worst_rows(w), w)) for w in built)


@given(
    activations=arrays.arrays(np.uint8, (4, 7), elements=st.sampled_from(EXTREMES.tolist())),
    matrix=arrays.arrays(np.float32, (7, 3), elements=st.floats(-3, 3, width=32)),
)
def test_pairs_of_products_with_7_bits_always_fit_16_bits(activations, matrix):
    (weights,) = weights_of(quantized(matrix, bits=7))
    assert np.array_equal(saturating_sums(activations, weights), exact_sums(activations, weights))


@pytest.mark.parametrize("rows", [1, 33])
def test_onnxruntime_computes_extreme_inputs_as_whole_numbers_do(tmp_path, monkeypatch, rows):
    """On the kernels of this processor: those that saturate with 8 bits where it has no VNNI."""
    monkeypatch.setattr(sessions, "machine_facts", lambda: WITHOUT_VNNI)
    generator = np.random.default_rng(rows)
    matrix = generator.choice([-1.0, 1.0], size=(64, 48)).astype(np.float32)
    model = quantized(matrix, bits=7)
    save(model, tmp_path / "product.onnx")
    x = np.where(generator.random((rows, 64)) < 0.9, 1e9, -1e9).astype(np.float32)  # far outside of the range
    x[0] = 1e9 * matrix[:, 0]
    ort = import_onnxruntime()
    options = sessions._options(ort, 1, WITHOUT_VNNI, sums_fit_16_bits=True)
    (y,) = ort.InferenceSession(tmp_path / "product.onnx", options).run(None, {"x": x})
    scale = Scale.affine_scale(-1, 1)
    whole = np.where(x > 0, 255, 0)
    sums = (whole - scale.zero) @ np.rint(matrix * LARGEST[7]).astype(np.int64)
    np.testing.assert_allclose(y, sums * scale.step / LARGEST[7], rtol=1e-6)


@pytest.mark.parametrize(("bits", "kind"), [(7, TensorProto.INT8), (8, TensorProto.UINT8)])
def test_slower_kernels_are_asked_for_with_8_bits_only(graphs, tmp_path, monkeypatch, bits, kind):
    monkeypatch.setattr(sessions, "machine_facts", lambda: WITHOUT_VNNI)
    save(quantize_matmuls(graphs.fused, graphs.fused_ranges, bits=bits), tmp_path / "model.onnx")
    running = tmp_path / "running.onnx"
    session = Session.open(tmp_path / "model.onnx", sums_fit_16_bits=bits == 7, optimized=running)
    assert np.isfinite(session.run(Batch.of(ragged(4, 20, seed=2), pad_id=0), OUTPUTS[:1])[0]).all()
    graph = onnx.load(running).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    assert {types[node.input[1]] for node in graph.node if node.op_type == INT8_OPERATOR} == {kind}
