"""Every supported encoder family becomes graphs that answer as PyTorch does, at shapes the tracer never saw."""

import numpy as np
import onnx
import pytest
import torch

from mtl_export.errors import ExportError
from mtl_export.graphs.int8.matmuls import find_matmuls
from mtl_export.graphs.int8.quantize_attention import fuse_qattention
from mtl_export.graphs.int8.quantize_matmuls import quantize_embeddings, quantize_matmuls
from mtl_export.graphs.passes import add_task_metadata, apply, drop_debug_info, require_portable, save
from mtl_export.graphs.trace import OPSET, trace_to_onnx
from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from tests.export.families import FAMILIES
from tests.export.graphs.family_graphs import (
    OUTPUTS,
    POOLINGS,
    answers_like_pytorch,
    graphs_of,
    model_of,
    ragged,
)


def graph_of(model):
    return apply(trace_to_onnx(model), [drop_debug_info, require_portable, add_task_metadata(model.spec.tasks)])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_becomes_one_graph_that_agrees_with_pytorch_at_unseen_shapes(tmp_path, family):
    graphs = graphs_of(family)
    save(graphs.portable, tmp_path / "model.onnx")
    answers_like_pytorch(tmp_path / "model.onnx", graphs.model)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_answers_in_int8_close_to_fp32(tmp_path, family):
    graphs = graphs_of(family)
    int8 = quantize_embeddings(fuse_qattention(quantize_matmuls(graphs.fused, graphs.fused_ranges)))
    assert find_matmuls(graphs.fused)
    assert find_matmuls(int8) == []
    batch = Batch.of(ragged(16, 33, seed=2), pad_id=graphs.model.spec.encoder.pad_id)
    answers = []
    for name, graph in (("fp32.onnx", graphs.fused), ("int8.onnx", int8)):
        save(graph, tmp_path / name)
        answers.append(Session.open(tmp_path / name).run(batch, OUTPUTS))
    for exact, rounded in zip(*answers, strict=True):
        assert 0 < np.abs(rounded - exact).max() < 0.3 * np.abs(exact).max()


def test_the_graphs_of_the_families_have_every_pooling():
    assert set(POOLINGS.values()) == {"mean", "cls", "max", "pooler"}


def test_the_graph_has_named_axes_plain_operators_metadata_and_no_trace_of_the_machine(tmp_path):
    model = model_of(tmp_path / "encoder", "bert", "mean")
    save(graph_of(model), tmp_path / "model.onnx")
    proto = onnx.load(tmp_path / "model.onnx")
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    assert axes == {
        "input_ids": ["batch", "sequence"],
        "attention_mask": ["batch", "sequence"],
        "logits.sentiment": ["batch", 3],
        "logits.tags": ["batch", 2],
        "logits.stars": ["batch", 1],
        EMBEDDING_OUTPUT: ["batch", 32],
    }
    assert {node.domain for node in proto.graph.node} == {""}
    assert [(entry.domain, entry.version) for entry in proto.opset_import if entry.domain == ""] == [("", OPSET)]
    assert '"labels":["negative","neutral","positive"]' in {e.key: e.value for e in proto.metadata_props}["mtl.tasks"]
    data = (tmp_path / "model.onnx").read_bytes()
    assert b"site-packages" not in data
    assert b"multitask.py" not in data


def test_a_graph_over_the_single_file_limit_keeps_its_weights_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_export.graphs.passes.SINGLE_FILE_LIMIT", 1000)
    model = model_of(tmp_path / "encoder", "bert", "mean")
    (tmp_path / "out").mkdir()
    files = save(graph_of(model), tmp_path / "out" / "model.onnx")
    assert [file.name for file in files] == ["model.onnx", "model.onnx.data"]
    assert files[1].stat().st_size > files[0].stat().st_size / 10
    assert Session.open(files[0]).outputs == OUTPUTS


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    model = model_of(tmp_path / "encoder", "bert", "mean")
    with torch.no_grad():
        model.head("stars").output.bias.fill_(float("nan"))
    with pytest.raises(ExportError, match=r"task_stars\.output\.bias holds NaN or infinity"):
        trace_to_onnx(model)


def test_a_step_that_breaks_the_graph_is_named(tmp_path):
    model = model_of(tmp_path / "encoder", "bert", "mean")
    graph = trace_to_onnx(model)

    def renames_an_output(given):
        given.graph.outputs[0].name = "embedding"
        return given

    with pytest.raises(ExportError, match="renames_an_output changed the graph's signature"):
        apply(graph, [renames_an_output])


def test_two_values_of_one_name_are_refused(tmp_path):
    graph = trace_to_onnx(model_of(tmp_path / "encoder", "bert", "mean"))

    def doubles_a_name(given):
        nodes = list(given.graph)
        nodes[1].outputs[0].name = nodes[0].outputs[0].name
        return given

    with pytest.raises(ExportError, match=r"doubles_a_name the value names .* stand for several values"):
        apply(graph, [doubles_a_name])


def test_an_operator_outside_the_standard_is_refused(tmp_path):
    graph = trace_to_onnx(model_of(tmp_path / "encoder", "bert", "mean"))
    next(iter(graph.graph)).domain = "com.microsoft"
    with pytest.raises(ExportError, match=r"not portable: com\.microsoft"):
        require_portable(graph)
