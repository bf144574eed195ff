"""fp16 and bf16 graphs: what is narrow, what stays fp32 and why, and what the CPU can tell of their answers."""

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest

from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.half_precision import convert_encoder, encoder_float_values, fp16_overflow_nodes
from mtl_export.graphs.int8.activation_ranges import ActivationRange
from mtl_export.graphs.passes import save
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from tests.export.families import FAMILIES
from tests.export.graphs.family_graphs import OUTPUTS, TASKS, graphs_of, model_of, ragged


def material_of(folder, family, pooling="mean"):
    return GraphBuilder(model_of(folder / "encoder", family, pooling), TASKS, ragged(16, 40, seed=1), folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_fp16_graph_of_every_family_answers_close_to_fp32_where_the_cpu_emulates_it(tmp_path, family):
    graphs = graphs_of(family)
    graph = convert_encoder(graphs.fused, ir.DataType.FLOAT16)
    save(graph, tmp_path / "half.onnx")
    onnx.checker.check_model(tmp_path / "half.onnx", full_check=True)
    save(graphs.fused, tmp_path / "full.onnx")
    batch = Batch.of(ragged(16, 33, seed=2), pad_id=graphs.model.spec.encoder.pad_id)
    exact, rounded = (Session.open(tmp_path / name).run(batch, OUTPUTS) for name in ("full.onnx", "half.onnx"))
    for before, after in zip(exact, rounded, strict=True):
        assert after.dtype == np.float32
        assert np.isfinite(after).all()
        assert 0 < np.abs(after - before).max() < 0.02 * max(1.0, np.abs(before).max())


@pytest.mark.parametrize("to", [ir.DataType.FLOAT16, ir.DataType.BFLOAT16])
def test_products_and_attention_are_narrow_while_pooling_heads_and_ends_stay_fp32(tmp_path, to):
    graph = convert_encoder(material_of(tmp_path, "bert", "pooler").fused, to).graph
    for node in graph:
        types = {value.dtype for value in node.outputs}
        name = str(node.name)
        if node.op_type in ("MatMul", "MultiHeadAttention", "LayerNormalization") and name.startswith("encoder.e"):
            assert types == {to}, name
        if name.startswith(("heads.", "encoder.pooler")):
            assert types == {ir.DataType.FLOAT}, name
    assert {value.dtype for value in graph.outputs} == {ir.DataType.FLOAT}
    assert {value.dtype for value in graph.inputs} == {ir.DataType.INT64}
    onnx.checker.check_model(ir.to_proto(convert_encoder(material_of(tmp_path, "bert").fused, to)))


def test_weights_are_stored_in_the_narrow_type_once(tmp_path):
    graphs = material_of(tmp_path, "bert")
    full, half = (
        sum(value.const_value.nbytes for value in graph.graph.initializers.values())
        for graph in (graphs.fused, convert_encoder(graphs.fused, ir.DataType.BFLOAT16))
    )
    assert half < 0.62 * full
    stored = {
        value.const_value.numpy().dtype
        for value in convert_encoder(graphs.fused, ir.DataType.BFLOAT16).graph.initializers.values()
    }
    assert np.dtype(ml_dtypes.bfloat16) in stored


def test_what_would_overflow_stays_fp32(tmp_path):
    graphs = material_of(tmp_path, "bert")
    found = dict(graphs.value_ranges)
    assert set(found) == set(encoder_float_values(graphs.fused))
    assert fp16_overflow_nodes(graphs.fused, found) == []
    node = next(node for node in graphs.fused.graph if node.op_type == "Gelu")
    value = str(node.outputs[0].name)
    found[value] = ActivationRange(found[value].low, np.full_like(found[value].high, 70_000.0))
    assert fp16_overflow_nodes(graphs.fused, found) == [node.name]
    graph = convert_encoder(graphs.fused, ir.DataType.FLOAT16, excluded=frozenset([str(node.name)]))
    kept = next(other for other in graph.graph if other.name == node.name)
    assert kept.outputs[0].dtype == kept.inputs[0].dtype == ir.DataType.FLOAT
    save(graph, tmp_path / "mixed.onnx")
    Session.open(tmp_path / "mixed.onnx")


def test_rotary_angles_stay_fp32_because_positions_do_not_fit_into_fp16(tmp_path):
    graph = convert_encoder(material_of(tmp_path, "modernbert").fused, ir.DataType.FLOAT16).graph
    angles = [node for node in graph if node.op_type in ("Sin", "Cos")]
    assert angles
    assert {value.dtype for node in angles for value in (*node.inputs, *node.outputs)} == {ir.DataType.FLOAT}


@pytest.mark.parametrize("family", ["mpnet", "deberta-v2", "convbert"])
def test_masks_of_eager_attention_do_not_overflow(tmp_path, family):
    graph = convert_encoder(graphs_of(family).fused, ir.DataType.FLOAT16).graph
    for value in graph.initializers.values():
        if value.dtype == ir.DataType.FLOAT16:
            assert np.isfinite(value.const_value.numpy()).all(), value.name
