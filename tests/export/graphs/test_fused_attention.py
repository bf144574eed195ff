"""Fused attention: one operator per layer where a family allows it, and the same answers for every family."""

import numpy as np
import onnx
import pytest
import torch

from mtl_export.errors import ExportError
from mtl_export.graphs.fused_attention import can_fuse
from mtl_export.graphs.graph_builder import GraphBuilder, count_fused_attention
from mtl_export.graphs.passes import save
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from tests.export.graphs.test_encoder_families import MAX_LENGTH, OUTPUTS, SHAPES, TASKS, model_of, ragged
from tests.export.tiny import FAMILIES

# Their attention is their own code: relative positions, or convolutions beside it.
EAGER = {"mpnet", "deberta-v2", "convbert"}


def material_of(folder, family):
    model = model_of(folder / "encoder", family, "mean")
    return GraphBuilder(model, TASKS, [], folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layers_attention_is_fused_where_the_family_allows_it(tmp_path, family):
    graphs = material_of(tmp_path, family)
    layers = graphs.model.encoder.config.num_hidden_layers
    assert can_fuse(graphs.model.encoder) == (family not in EAGER)
    assert count_fused_attention(graphs.fused) == (0 if family in EAGER else layers)
    assert count_fused_attention(graphs.portable) == 0
    answers_like_pytorch(graphs, tmp_path)


def answers_like_pytorch(graphs, folder):
    onnx_file = folder / "fused.onnx"
    save(graphs.fused, onnx_file)
    session = Session.open(onnx_file)
    for shape in SHAPES:
        batch = Batch.of(ragged(*shape, seed=sum(shape)), pad_id=graphs.model.spec.encoder.pad_id)
        with torch.inference_mode():
            output = graphs.model(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
        expected = [*output.logits.values(), output.sentence_embedding]
        for name, got, wanted in zip(OUTPUTS, session.run(batch, OUTPUTS), expected, strict=True):
            assert np.abs(got - wanted.numpy()).max() < 2e-5, (name, shape)


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


def test_a_fusion_that_misses_a_layer_is_an_error(tmp_path, monkeypatch):
    graphs = material_of(tmp_path, "bert")
    monkeypatch.setattr("mtl_export.graphs.graph_builder.count_fused_attention", lambda _model: 1)
    with pytest.raises(ExportError, match="bert: attention was fused in 1 of 2 layers"):
        _ = graphs.fused


def test_what_really_runs_has_fused_attention_and_activations_and_plain_norms(tmp_path):
    save(material_of(tmp_path, "bert").fused, tmp_path / "fused.onnx")
    Session.open(tmp_path / "fused.onnx", optimized=tmp_path / "running.onnx")
    running = [node.op_type for node in onnx.load(tmp_path / "running.onnx").graph.node]
    assert running.count("MultiHeadAttention") == 2
    assert running.count("LayerNormalization") == 6  # one of a head
    assert "SkipLayerNormalization" not in running  # slower than an addition and a normalization
    assert running.count("BiasGelu") == 2
