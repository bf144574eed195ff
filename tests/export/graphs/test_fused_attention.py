"""Fused attention: one operator per layer where a family allows it, and the same answers for every family."""

import numpy as np
import onnx
import pytest

from mtl_export.graphs.graph_builder import GraphBuilder, count_fused_attention
from mtl_export.graphs.passes import save
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from tests.export.families import FAMILIES
from tests.export.graphs.family_graphs import (
    MAX_LENGTH,
    OUTPUTS,
    TASKS,
    answers_like_pytorch,
    graphs_of,
    model_of,
    ragged,
)


def material_of(folder, family):
    model = model_of(folder / "encoder", family, "mean")
    return GraphBuilder(model, TASKS, [], folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layers_attention_is_fused_where_the_family_allows_it(tmp_path, family):
    graphs = graphs_of(family)
    layers = graphs.model.encoder.config.num_hidden_layers
    assert count_fused_attention(graphs.fused) == (layers if FAMILIES[family].fused else 0)
    assert count_fused_attention(graphs.portable) == 0
    if FAMILIES[family].fused:
        save(graphs.fused, tmp_path / "fused.onnx")
        answers_like_pytorch(tmp_path / "fused.onnx", graphs.model)


def test_the_fused_graph_has_no_reshape_between_projections_and_attention(tmp_path):
    graph = material_of(tmp_path, "bert").fused.graph
    assert sum(node.op_type == "Reshape" for node in graph) == 0


def test_padding_is_not_attended(tmp_path):
    graphs = material_of(tmp_path, "bert")
    save(graphs.fused, tmp_path / "fused.onnx")
    session = Session.open(tmp_path / "fused.onnx")
    (text,) = ragged(1, 5, seed=0)
    alone, padded = (session.run(Batch.of([text], pad_id=0, width=width), OUTPUTS) for width in (None, MAX_LENGTH))
    for one, other in zip(alone, padded, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_a_fusion_that_misses_a_layer_is_given_up_with_a_warning(tmp_path, monkeypatch, caplog):
    graphs = material_of(tmp_path, "bert")
    monkeypatch.setattr("mtl_export.graphs.graph_builder.count_fused_attention", lambda _model: 1)
    assert graphs.fused is graphs.portable
    assert "bert: attention was fused in 1 of 2 layers, so in none" in caplog.messages


def test_attention_with_capped_scores_is_not_fused(tmp_path, caplog):
    caplog.set_level("INFO", "mtl_export")
    graphs = graphs_of("t5gemma")
    graphs.__dict__.pop("fused", None)
    assert graphs.fused is graphs.portable
    assert "t5gemma: attention is not fused: torch.onnx cannot export t5gemma: MultiHeadAttention has no softcap" in (
        caplog.text
    )


def test_what_really_runs_has_fused_attention_and_activations_and_plain_norms(tmp_path):
    save(material_of(tmp_path, "bert").fused, tmp_path / "fused.onnx")
    Session.open(tmp_path / "fused.onnx", optimized=tmp_path / "running.onnx")
    running = [node.op_type for node in onnx.load(tmp_path / "running.onnx").graph.node]
    assert running.count("MultiHeadAttention") == 2
    assert running.count("LayerNormalization") == 6  # one of a head
    assert "SkipLayerNormalization" not in running  # slower than an addition and a normalization
    assert running.count("BiasGelu") == 2
