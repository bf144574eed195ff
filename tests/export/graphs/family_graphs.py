"""The graphs of a tiny encoder of each family, traced once for all tests of a process: a trace takes seconds."""

import atexit
import shutil
import tempfile
from functools import cache
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.model import HeadSpec, MultiTaskModel
from mtl_runtime.bundle.graph_scan.scan import scan_graph
from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, TaskSpec
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText
from tests.export.families import FAMILIES
from tests.export.tiny import VOCABULARY, save_encoder

MAX_LENGTH = 60
TASKS = (
    TaskSpec(name="sentiment", kind="single_label", labels=("negative", "neutral", "positive")),
    TaskSpec(name="tags", kind="multi_label", labels=("film", "food"), thresholds=(0.5, 0.5)),
    TaskSpec(name="stars", kind="regression"),
)
HEADS = {"sentiment": HeadSpec(kind="linear"), "tags": HeadSpec(kind="layernorm"), "stars": HeadSpec(kind="mlp")}
OUTPUTS = ("logits.sentiment", "logits.tags", "logits.stars", EMBEDDING_OUTPUT)
SHAPES = ((1, 1), (1, MAX_LENGTH), (7, 33), (64, 2))

# All four poolings over the families, the pooler and the first token where a family has them.
POOLINGS = {
    name: pooling
    if not (pooling == "pooler" and not family.pooler) and not (pooling == "cls" and family.left_to_right)
    else "mean"
    for (name, family), pooling in zip(FAMILIES.items(), cycle(("pooler", "mean", "cls", "max")), strict=False)
}


def model_of(folder, family, pooling, **changes):
    source = str(save_encoder(folder, family, **changes))
    return MultiTaskModel.from_encoder(source, TASKS, heads=HEADS, pooling=pooling, max_length=MAX_LENGTH).eval()


@cache
def graphs_of(family):
    """Graphs with as few layers as stand for all, and the ranges of calibration texts; only read them."""
    folder = Path(tempfile.mkdtemp(prefix=f"mtl-{family}-"))
    atexit.register(shutil.rmtree, folder)  # the cache holds it until then
    model = model_of(folder / "encoder", family, POOLINGS[family], **FAMILIES[family].one_layer)
    return GraphBuilder(model, TASKS, ragged(16, 40, seed=1), folder)


def ragged(rows, longest, *, seed):
    """Random token ids: one row as long as it gets, the others of any length."""
    generator = np.random.default_rng(seed)
    lengths = [longest, *generator.integers(1, longest + 1, rows - 1)]
    texts = [tuple(generator.integers(4, len(VOCABULARY), length).tolist()) for length in lengths]
    return [TokenizedText(ids, (0,) * len(ids), truncated=False) for ids in texts]


def answers_like_pytorch(file, model):
    """Check the answers of an ONNX file at shapes that were not traced, and that a runtime does not refuse it."""
    scan_graph(file, file.name, weights={})
    session = Session.open(file)
    assert session.inputs == ("input_ids", "attention_mask")
    assert session.outputs == OUTPUTS
    for shape in SHAPES:
        batch = Batch.of(ragged(*shape, seed=sum(shape)), pad_id=model.spec.encoder.pad_id)
        assert batch.input_ids.shape == shape
        with torch.inference_mode():
            output = model(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
        expected = [*output.logits.values(), output.sentence_embedding]
        for name, got, wanted in zip(OUTPUTS, session.run(batch, OUTPUTS), expected, strict=True):
            assert np.abs(got - wanted.numpy()).max() < 2e-5, (name, shape)
