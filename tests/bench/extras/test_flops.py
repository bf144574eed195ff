"""Operations count_flops from graphs: those that torch counts, in every family, and those of the textbook."""

from itertools import pairwise

import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from torch.utils.flop_counter import FlopCounterMode

from mtl_bench.extras.flops import Flops, count_flops, flops_of
from mtl_bench.extras.many_heads import with_copied_heads
from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.int8.qdq import insert_qdq
from mtl_export.graphs.int8.quantize_attention import INT8_ATTENTION, fuse_qattention
from mtl_export.graphs.int8.quantize_matmuls import INT8_OPERATOR, quantize_matmuls
from mtl_export.graphs.passes import save
from mtl_export.model import MultiTaskModel
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import MtlError
from tests.export.graphs.family_graphs import TASKS, model_of, ragged
from tests.runtime.conftest import TINY_BUNDLE

COUNTS = st.integers(0, 10**9)
# What each adds: a pooler; factorized embeddings; relative positions; convolutions; gated units and local attention.
FAMILIES = [
    ("bert", "pooler"),
    ("albert", "cls"),
    ("deberta-v2", "mean"),
    ("convbert", "max"),
    ("modernbert", "mean"),
]


def proto(graph, folder):
    save(graph, folder / "model.onnx")
    return onnx.load(folder / "model.onnx")


def torch_counts(model, texts, tokens):
    inputs = {name: torch.ones((texts, tokens), dtype=torch.int64) for name in model.inputs}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(**inputs)
    return counter.get_total_flops()


@pytest.mark.parametrize(("family", "pooling"), FAMILIES)
def test_a_family_costs_what_torch_counts_at_any_size(tmp_path, family, pooling):
    model = model_of(tmp_path / "encoder", family, pooling)
    eager = MultiTaskModel.rebuild(model.spec, model.tokenizer, attention="eager").eval()
    flops = count_flops(proto(GraphBuilder(model, TASKS, [], tmp_path).portable, tmp_path))
    for texts, tokens in ((1, 1), (1, 60), (3, 11), (8, 25)):
        assert flops.of([tokens] * texts) == torch_counts(eager, texts, tokens), (texts, tokens)


def test_all_forms_of_a_graph_cost_the_same(tmp_path):
    builder = GraphBuilder(model_of(tmp_path / "encoder", "bert", "mean"), TASKS, ragged(8, 40, seed=1), tmp_path)
    forms = {
        "MatMul": builder.portable,
        "MultiHeadAttention": builder.fused,
        INT8_OPERATOR: quantize_matmuls(*builder.fused_for_int8),
        INT8_ATTENTION: fuse_qattention(quantize_matmuls(*builder.fused_for_int8)),
        "DequantizeLinear": insert_qdq(*builder.portable_for_int8),
    }
    counts = []
    for operator, graph in forms.items():
        model = proto(graph, tmp_path)
        assert operator in {node.op_type for node in model.graph.node}
        counts.append(count_flops(model))
    assert all(one == other for one, other in pairwise(counts))
    # 2 layers of hidden size 32 and inner size 64; heads of 3 and 2 labels, and an mlp through 16.
    layers = Flops(per_pair=2 * 2 * 2 * 32, per_token=2 * 2 * (4 * 32 * 32 + 2 * 32 * 64), per_text=0, fixed=0)
    assert (counts[0].per_pair, counts[0].per_token) == (layers.per_pair, layers.per_token)
    assert counts[0].per_text == 2 * (32 * 3 + 32 * 2 + 32 * 16 + 16)
    assert counts[0].fixed == 0


def test_a_copied_head_costs_what_its_original_costs(tmp_path):
    bundle = Bundle.open(TINY_BUNDLE)
    one = flops_of(with_copied_heads(bundle, "cpu-int8", ["topics"], tmp_path / "one"), "cpu-int8")
    six = flops_of(with_copied_heads(bundle, "cpu-int8", ["topics"] * 6, tmp_path / "six"), "cpu-int8")
    assert one == Flops(per_pair=0, per_token=0, per_text=2 * 8 * 3, fixed=0)
    assert six.per_text == 6 * one.per_text


@given(
    st.builds(Flops, per_pair=COUNTS, per_token=COUNTS, per_text=COUNTS, fixed=COUNTS), st.lists(st.integers(1, 512))
)
def test_texts_add_up_whatever_their_order_and_the_fixed_part_counts_once(flops, lengths):
    assert flops.of(lengths) == flops.of(sorted(lengths))
    apart = sum(flops.of([tokens]) for tokens in lengths)
    assert flops.of(lengths) - flops.fixed == apart - len(lengths) * flops.fixed


def one_node(operator, shapes, output, *, domain="", **attributes):
    """A graph of one node whose inputs have these shapes; it is only count_flops, never run."""
    names = [f"x{place}" for place in range(len(shapes))]
    node = helper.make_node(operator, names, ["y"], domain=domain, **attributes)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in zip(names, shapes, strict=True)
    ]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, output)
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(helper.make_graph([node], "one", values, [result]), opset_imports=imports)


B, T = "batch", "sequence"


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        (one_node("MatMul", [(B, T, 6), (6, 5)], (B, T, 5)), {"per_token": 60}),
        (one_node("MatMul", [(B, 4, T, 6), (B, 4, 6, T)], (B, 4, T, T)), {"per_pair": 48}),
        (one_node("MatMul", [("4*batch", T, 6), ("batch*4", 6, 3)], ("4*batch", T, 3)), {"per_token": 144}),
        (one_node("MatMul", [(B, 1, 6), (1, 6, T)], (B, 1, T)), {"per_token": 12}),
        (one_node("MatMul", [(7, 6), (6, 5)], (7, 5)), {"fixed": 420}),
        (one_node("MatMulInteger", [(B, T, 6), (6, 5), (), ()], (B, T, 5)), {"per_token": 60}),
        (one_node("QLinearMatMul", [(B, T, 6), (), (), (6, 5), (), (), (), ()], (B, T, 5)), {"per_token": 60}),
        (one_node("Gemm", [(B, 6), (5, 6)], (B, 5), transB=1), {"per_text": 60}),
        (one_node("Gemm", [(6, B), (6, 5)], (B, 5), transA=1), {"per_text": 60}),
        (one_node("Conv", [(B, 8, T), (4, 2, 3)], (B, 4, T), group=4, pads=[1, 1]), {"per_token": 48}),
        (
            one_node("MultiHeadAttention", [(B, T, 8)] * 3, (B, T, 8), domain="com.microsoft", num_heads=2),
            {"per_pair": 32},
        ),
        (
            one_node("QAttention", [(B, T, 6), (6, 24)], (B, T, 8), domain="com.microsoft", num_heads=2),
            {"per_pair": 32, "per_token": 288},
        ),
    ],
)
def test_an_operator_costs_what_the_textbook_says(model, cost):
    assert count_flops(model) == Flops(**{"per_pair": 0, "per_token": 0, "per_text": 0, "fixed": 0, **cost})


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (one_node("MatMul", [(B, "width"), (6, 5)], (B, 5)), "axis 'width'"),
        (one_node("MatMul", [(B, "batch**2"), (6, 5)], (B, 5)), "no function of batch and sequence"),
        (one_node("MatMul", [(B, T, "sequence*sequence"), (B, 1, T)], (B, T, T)), "do not grow"),
        (one_node("Einsum", [(B, 6), (6, 5)], (B, 5), equation="ij,jk->ik"), "it has Einsum"),
    ],
)
def test_what_cannot_be_counted_is_refused(model, problem):
    with pytest.raises(MtlError, match=problem):
        count_flops(model)
