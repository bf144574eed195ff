"""Every supported encoder family becomes one graph that answers as PyTorch does, at shapes the tracer never saw."""

from itertools import cycle

import numpy as np
import onnx
import pytest
import torch

from mtl_export.errors import ExportError
from mtl_export.graphs.passes import add_task_metadata, apply, drop_debug_info, require_portable, save
from mtl_export.graphs.trace import OPSET, trace_to_onnx
from mtl_export.model import HeadSpec, MultiTaskModel
from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, TaskSpec
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText
from tests.export.tiny import FAMILIES, VOCABULARY, WITH_POOLER, save_encoder

MAX_LENGTH = 60
TASKS = (
    TaskSpec(name="sentiment", kind="single_label", labels=("negative", "neutral", "positive")),
    TaskSpec(name="tags", kind="multi_label", labels=("film", "food"), thresholds=(0.5, 0.5)),
    TaskSpec(name="stars", kind="regression"),
)
HEADS = {"sentiment": HeadSpec(kind="linear"), "tags": HeadSpec(kind="layernorm"), "stars": HeadSpec(kind="mlp")}
OUTPUTS = ("logits.sentiment", "logits.tags", "logits.stars", EMBEDDING_OUTPUT)
SHAPES = ((1, 1), (1, MAX_LENGTH), (7, 33), (64, 2))

# All four poolings over the twelve families, the pooler where there is one.
_POOLINGS = cycle(("pooler", "mean", "cls", "max"))
CASES = [
    (family, pooling if pooling != "pooler" or family in WITH_POOLER else "mean")
    for family, pooling in zip(FAMILIES, _POOLINGS, strict=False)
]


def model_of(folder, family, pooling):
    source = str(save_encoder(folder, family))
    return MultiTaskModel.from_encoder(source, TASKS, heads=HEADS, pooling=pooling, max_length=MAX_LENGTH).eval()


def graph_of(model):
    return apply(trace_to_onnx(model), [drop_debug_info, require_portable, add_task_metadata(model.spec.tasks)])


def ragged(rows, longest, *, seed):
    """Random token ids: one row as long as it gets, the others of any length."""
    generator = np.random.default_rng(seed)
    lengths = [longest, *generator.integers(1, longest + 1, rows - 1)]
    texts = [tuple(generator.integers(4, len(VOCABULARY), length).tolist()) for length in lengths]
    return [TokenizedText(ids, (0,) * len(ids), truncated=False) for ids in texts]


@pytest.mark.parametrize(("family", "pooling"), CASES)
def test_a_family_becomes_one_graph_that_agrees_with_pytorch_at_unseen_shapes(tmp_path, family, pooling):
    model = model_of(tmp_path / "encoder", family, pooling)
    graph = graph_of(model)
    save(graph, tmp_path / "model.onnx")
    session = Session.open(tmp_path / "model.onnx")
    assert session.inputs == ("input_ids", "attention_mask")
    assert session.outputs == OUTPUTS
    for shape in SHAPES:
        batch = Batch.of(ragged(*shape, seed=sum(shape)), pad_id=model.spec.encoder.pad_id)
        assert batch.input_ids.shape == shape
        answers = session.run(batch, OUTPUTS)
        with torch.inference_mode():
            output = model(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
        expected = [*output.logits.values(), output.sentence_embedding]
        for name, got, wanted in zip(OUTPUTS, answers, expected, strict=True):
            assert np.abs(got - wanted.numpy()).max() < 2e-5, (name, shape)


def test_the_cases_cover_every_pooling_and_every_family():
    assert {pooling for _, pooling in CASES} == {"mean", "cls", "max", "pooler"}
    assert [family for family, _ in CASES] == list(FAMILIES)
    assert len(FAMILIES) == 12


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
