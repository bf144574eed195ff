"""Attention with its projections inside gives the same answers from fewer operators, and only where it can."""

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.int8.matmuls import find_matmuls
from mtl_export.graphs.int8.quantize_attention import INT8_ATTENTION, fuse_qattention
from mtl_export.graphs.int8.quantize_matmuls import INT8_OPERATOR, quantize_matmuls
from mtl_export.graphs.passes import check, save
from mtl_runtime.providers import session as sessions
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from tests.export.graphs.family_graphs import MAX_LENGTH, OUTPUTS, TASKS, model_of, ragged

# Query, key and value of one input, and no bias for pairs of tokens.
TAKES_IN = ["bert", "roberta", "xlm-roberta", "distilbert", "electra", "albert", "camembert", "ernie"]
HIDDEN, HEADS = 8, 2


def material_of(family, folder):
    return GraphBuilder(model_of(folder / "encoder", family, "mean"), TASKS, ragged(16, 40, seed=1), folder)


def quantized(graphs, **options):
    return quantize_matmuls(graphs.fused, graphs.fused_ranges, **options)


def answers(model, folder, texts, **options):
    save(model, folder / "model.onnx")
    return Session.open(folder / "model.onnx", **options).run(Batch.of(texts, pad_id=0), OUTPUTS)


def counts(model):
    return Counter(node.op_type for node in model.graph)


@pytest.mark.parametrize("family", TAKES_IN)
def test_every_layer_takes_its_products_in_and_answers_bit_by_bit_as_before(family, tmp_path):
    graphs = material_of(family, tmp_path)
    apart = quantized(graphs)
    inside = fuse_qattention(apart)
    check(inside, "attention")
    before, after = counts(apart), counts(inside)
    assert (after[INT8_ATTENTION], after["MultiHeadAttention"]) == (2, 0)
    assert after[INT8_OPERATOR] == before[INT8_OPERATOR] - 6
    texts = ragged(24, MAX_LENGTH, seed=2)
    for some in (texts, texts[:1], sorted(texts, key=len)[:2]):
        for one, other in zip(answers(apart, tmp_path, some), answers(inside, tmp_path, some), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_weights_of_the_products_are_stored_once(tmp_path):
    apart = quantized(material_of("bert", tmp_path))
    before, after = (
        sum(value.const_value.nbytes for value in model.graph.initializers.values())
        for model in (apart, fuse_qattention(apart))
    )
    assert after == before + 2  # a byte for the zero point of each layer's weights


def test_every_layer_has_a_zero_point_of_its_weights_for_itself(tmp_path):
    """onnxruntime 1.23 to 1.29 reads it on processors without VNNI, and ends the process where there is none."""
    inside = fuse_qattention(quantized(material_of("albert", tmp_path)))
    zeros = [node.inputs[7] for node in inside.graph if node.op_type == INT8_ATTENTION]
    assert len({str(zero.name) for zero in zeros}) == len(zeros) == 2
    assert all(zero.const_value.numpy().dtype == np.int8 and not zero.const_value.numpy().any() for zero in zeros)


def test_layers_that_share_weights_go_on_sharing_them(tmp_path):
    inside = fuse_qattention(quantized(material_of("albert", tmp_path)))
    nodes = [node for node in inside.graph if node.op_type == INT8_ATTENTION]
    assert len(nodes) == 2
    assert len({str(node.inputs[place].name) for node in nodes for place in (1, 2, 4)}) == 3


def test_an_attention_whose_query_is_excluded_stays_as_it_is(tmp_path):
    graphs = material_of("bert", tmp_path)
    excluded = {next(matmul.name for matmul in find_matmuls(graphs.fused) if "query" in matmul.name)}
    inside = counts(fuse_qattention(quantized(graphs, excluded=excluded)))
    assert (inside[INT8_ATTENTION], inside["MultiHeadAttention"], inside[INT8_OPERATOR]) == (1, 1, 12 - 1 - 3)


def test_rotated_queries_and_local_attention_stay_as_they_are(tmp_path):
    apart = quantized(material_of("modernbert", tmp_path))
    assert counts(fuse_qattention(apart)) == counts(apart)


def product(name, whole, constants, *, bias="b", width=HIDDEN):
    """An int8 product as quantize_matmuls writes it, and its constants."""
    floats = np.random.default_rng(len(constants))
    constants[f"w{name}"] = floats.integers(-127, 128, (HIDDEN, width), dtype=np.int8)
    constants[f"s{name}"] = np.float32(0.01) if name == "k" else np.full(width, 0.1, np.float32)
    given = [whole, f"w{name}", "step", f"s{name}", "zero", "", bias]
    return helper.make_node(INT8_OPERATOR, given, [name], domain="com.microsoft")


def attention_of_one_input(
    *, scale=(HIDDEN // HEADS) ** -0.5, biases="bbb", value_of="x8", width=HIDDEN, further=(), reader=False
):
    """Three int8 MatMuls of the input and attention over them, written by hand, as the passes leave it."""
    constants = {"step": np.float32(0.02), "zero": np.uint8(128), "b": np.ones(HIDDEN, np.float32)}
    constants |= {"packed": np.ones(3 * HIDDEN, np.float32), "pairs": np.zeros((1, 1, 1, 5), np.float32)}
    nodes = [helper.make_node("QuantizeLinear", ["x", "step", "zero"], [name]) for name in ("x8", "other8")]
    nodes += [product(name, "x8", constants, bias=biases[place].strip()) for place, name in enumerate("qk")]
    nodes.append(product("v", value_of, constants, bias=biases[2].strip() if width == HIDDEN else "", width=width))
    given = ["q", "k", "v", "", "mask", ""]
    for place, name in further:
        given[place] = name
    attention = {"num_heads": HEADS, "scale": scale, "mask_filter_value": -1e4}
    nodes.append(helper.make_node("MultiHeadAttention", given, ["y"], domain="com.microsoft", **attention))
    if reader:
        nodes.append(helper.make_node("Relu", ["q"], ["z"]))
    floats = {"x": (HIDDEN, TensorProto.FLOAT), "y": (width, TensorProto.FLOAT), "z": (HIDDEN, TensorProto.FLOAT)}
    values = {
        name: helper.make_tensor_value_info(name, kind, ("b", "t", size)) for name, (size, kind) in floats.items()
    }
    graph = helper.make_graph(
        nodes,
        "attention",
        [values["x"], helper.make_tensor_value_info("mask", TensorProto.INT32, ("b", "t"))],
        [values["y"], values["z"]] if reader else [values["y"]],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = ir.from_proto(helper.make_model(graph, opset_imports=imports, ir_version=10))
    return RemoveUnusedNodesPass()(model).model


def run(model, folder):
    import onnxruntime

    save(model, folder / "one.onnx")
    floats = np.random.default_rng(1).normal(size=(3, 5, HIDDEN)).astype(np.float32)
    mask = np.array([[1] * 5, [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], np.int32)
    session = onnxruntime.InferenceSession(folder / "one.onnx", providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": floats, "mask": mask})[0]


@pytest.mark.parametrize("biases", ["bbb", "b b", "   "])
def test_products_without_a_bias_and_with_one_scale_are_taken_in_too(tmp_path, biases):
    apart = attention_of_one_input(biases=biases)
    inside = fuse_qattention(apart)
    assert counts(inside) == {"QuantizeLinear": 1, INT8_ATTENTION: 1}
    np.testing.assert_array_equal(run(apart, tmp_path), run(inside, tmp_path))


@pytest.mark.parametrize(
    "unusual",
    [
        pytest.param({"scale": 0.3}, id="a scale of its own"),
        pytest.param({"reader": True}, id="somebody else reads the query"),
        pytest.param({"value_of": "other8"}, id="the value is of another input"),
        pytest.param({"width": 2 * HIDDEN}, id="the value is wider"),
        pytest.param({"further": [(5, "pairs")]}, id="a bias for pairs of tokens"),
        pytest.param({"further": [(3, "packed")]}, id="biases inside the attention"),
        pytest.param({"further": [(4, "")]}, id="no mask"),
    ],
)
def test_what_the_operator_cannot_say_stays_as_it_is(unusual):
    apart = attention_of_one_input(**unusual)
    assert counts(fuse_qattention(apart)) == counts(apart)


def test_on_processors_whose_sums_saturate_its_weights_are_turned_too(tmp_path, monkeypatch):
    inside = fuse_qattention(quantized(material_of("bert", tmp_path)))
    texts = ragged(8, 40, seed=3)
    usual = answers(inside, tmp_path, texts)
    saturating = type("Facts", (), {"saturates_int8": True})()
    monkeypatch.setattr(sessions, "machine_facts", lambda: saturating)
    turned = answers(inside, tmp_path, texts, optimized=tmp_path / "running.onnx")
    running = onnx.load(tmp_path / "running.onnx").graph
    types = {tensor.name: tensor.data_type for tensor in running.initializer}
    (kind,) = {types[node.input[1]] for node in running.node if node.op_type == INT8_ATTENTION}
    assert kind == TensorProto.UINT8
    for one, other in zip(usual, turned, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
