"""Bundles with copied heads: the copies answer what the originals answer, on weights of their own."""

import dataclasses
import shutil
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from mtl_bench.extras.flops import flops_of
from mtl_bench.extras.many_heads import round_robin, with_copied_heads
from mtl_export.bundling.export_bundle import export_bundle
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle, write_manifest
from mtl_runtime.bundle.gate_config import GateBudget, GateConfig
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden
from mtl_runtime.bundle.manifest import FileSpec, graph_metadata
from mtl_runtime.errors import MissingPackageError, MtlError, UnknownTaskError, UnknownVariantError
from mtl_runtime.providers.session import Session
from tests.bench.tiny_checkpoint import tiny_checkpoint
from tests.export.tiny import rows

TINY = Path(__file__).parents[2] / "runtime" / "data" / "tiny_bundle"
TASKS = ("sentiment", "topics", "stars")
# One epoch of a tiny model: copies are compared with it, not it with PyTorch.
ANY_ANSWER = GateConfig(budget=GateBudget(max_logit_difference=100.0, min_agreement=0.0, max_metric_drop=100.0))
THREE_HEADS = """
[tasks.sentiment]
[tasks.topic]
head = "mlp"
[tasks.tags]
kind = "multi_label"
head = "layernorm"
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bundle with cpu-fp32, cpu-int8, openvino-bf16 and cuda-fp16, and one head of each kind."""
    folder = tiny_checkpoint(tmp_path_factory.mktemp("project"), tasks=THREE_HEADS, train=64)
    variants = ["cpu-int8", "openvino-bf16", "cuda-fp16"]
    return export_bundle(folder / "checkpoint", folder / "bundle", variants=variants, gate=ANY_ANSWER).bundle


def graph_of(bundle, variant):
    return onnx.load(bundle.path / bundle.manifest.variants[variant].graph)


@pytest.mark.parametrize("variant", ["cpu-fp32", "cpu-int8"])
@pytest.mark.parametrize("count", [1, 5])
def test_copies_answer_exactly_as_the_originals(trained, tmp_path, variant, count):
    tasks = ("sentiment", "topic", "tags")
    texts = [row["text"] for row in rows(40, seed=7)]
    original = load(trained.path, variant=variant, threads=1)
    sources = round_robin(tasks, count)
    copied = with_copied_heads(trained, variant, sources, tmp_path / "made")
    copies = load(copied.path, variant=variant, threads=1)
    assert copies.tasks == tuple(f"t{number}" for number in range(1, count + 1))
    expected, answers_of_copies = original(texts), copies(texts)
    wanted, logits = original.logits(texts), copies.logits(texts)
    for copy, source in zip(copies.tasks, sources, strict=True):
        np.testing.assert_array_equal(logits[copy], wanted[source])
        assert [answers[copy] for answers in answers_of_copies] == [answers[source] for answers in expected]
    np.testing.assert_array_equal(copies.embed(texts), original.embed(texts))


def test_a_single_task_s_bundle_has_no_other_head_in_it(trained, tmp_path):
    copied = with_copied_heads(trained, "cpu-int8", ["topic"], tmp_path / "made")
    whole, alone = graph_of(trained, "cpu-int8"), graph_of(copied, "cpu-int8")
    assert len(alone.graph.node) < len(whole.graph.node)
    names = {tensor.name for tensor in alone.graph.initializer}
    assert not [name for name in names if "task_sentiment" in name or "task_tags" in name]
    assert names <= {name for node in alone.graph.node for name in node.input}
    assert dict(Counter(node.domain for node in alone.graph.node)).keys() == {"", "com.microsoft"}


def test_each_copy_has_weights_of_its_own_and_onnxruntime_computes_each(trained, tmp_path):
    copied = with_copied_heads(trained, "cpu-int8", ["sentiment"] * 4, tmp_path / "made")
    graph = graph_of(copied, "cpu-int8").graph
    weights = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer if "task_sentiment" in tensor.name
    }
    assert len(weights) == 4 * 2
    matrices = [array for array in weights.values() if array.ndim == 2]
    assert len(matrices) == 4
    assert all(np.array_equal(a, b) for a, b in combinations(matrices, 2))
    Session.open(copied.path / "model.cpu-int8.onnx", optimized=tmp_path / "running.onnx")
    running = Counter(node.op_type for node in onnx.load(tmp_path / "running.onnx").graph.node)
    assert running["Gemm"] == 4


@pytest.mark.parametrize("variant", ["cpu-fp32", "cpu-int8", "openvino-bf16", "cuda-fp16"])
def test_the_graph_of_any_variant_stays_valid_and_says_what_its_manifest_says(trained, tmp_path, variant):
    copied = with_copied_heads(trained, variant, ["tags", "topic", "tags"], tmp_path / "made")
    model = graph_of(copied, variant)
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata == graph_metadata(copied.manifest.tasks)
    assert tuple(value.name for value in model.graph.output) == copied.manifest.outputs
    assert tuple(value.name for value in model.graph.input) == copied.manifest.inputs
    assert list(copied.manifest.variants) == [variant]
    assert copied.manifest.variants[variant].provider_options == trained.manifest.variants[variant].provider_options
    typed = {value.name for value in model.graph.value_info}
    inner = {name for node in model.graph.node for name in node.output if name}
    assert typed <= inner | {tensor.name for tensor in model.graph.initializer}
    (head,) = [node for node in model.graph.node if node.output[0] == "logits.t2"]
    assert head.input[0] in typed  # what lies inside an mlp's copy


def test_manifest_files_and_golden_texts_are_those_of_the_copies(trained, tmp_path):
    copied = with_copied_heads(trained, "cpu-int8", ["tags", "sentiment"], tmp_path / "made")
    assert {file.name for file in copied.path.iterdir()} == {*copied.manifest.files, "manifest.json", "manifest.sha256"}
    for name in copied.manifest.files:
        copied.read(name)
    original, copies = (trained.manifest.answers_of("cpu-int8"), copied.manifest.answers_of("cpu-int8"))
    by_name = {task.name: task for task in original}
    assert [task.name for task in copies] == ["t1", "t2"]
    assert copies[0].thresholds == by_name["tags"].thresholds
    assert copies[1].temperature == by_name["sentiment"].temperature
    before, after = (parse_golden(bundle.read(GOLDEN_NAME)) for bundle in (trained, copied))
    assert [(text.text, text.ids) for text in after] == [(text.text, text.ids) for text in before]
    assert [text.logits["t1"] for text in after] == [text.logits["tags"] for text in before]


def test_the_golden_texts_hold_in_the_new_bundle(tmp_path):
    copied = with_copied_heads(Bundle.open(TINY), "cpu-fp32", round_robin(TASKS, 8), tmp_path / "made")
    golden = parse_golden(copied.read(GOLDEN_NAME))
    logits = load(copied.path, variant="cpu-fp32", threads=1).logits([text.text for text in golden])
    assert set(logits) == {f"t{number}" for number in range(1, 9)}
    for task, rows_of_task in logits.items():
        np.testing.assert_allclose(rows_of_task, [text.logits[task] for text in golden], atol=1e-5)


@given(st.lists(st.sampled_from(TASKS), min_size=1, max_size=6))
def test_any_list_of_tasks_gives_a_bundle_that_answers_as_they_do(tmp_path_factory, sources):
    folder = tmp_path_factory.mktemp("made")
    copied = with_copied_heads(Bundle.open(TINY), "cpu-int8", sources, folder / "bundle")
    texts = ["The soup was good.", "the match was awful", ""]
    wanted = load(TINY, variant="cpu-int8", threads=1).logits(texts)
    logits = load(copied.path, variant="cpu-int8", threads=1).logits(texts)
    for task, source in zip(logits, sources, strict=True):
        np.testing.assert_array_equal(logits[task], wanted[source])


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), st.integers(1, 20))
def test_tasks_are_taken_in_turn(tasks, count):
    taken = round_robin(tasks, count)
    assert len(taken) == count
    assert all(taken[place] == tasks[place % len(tasks)] for place in range(count))


def test_what_the_bundle_has_not_cannot_be_copied(tmp_path):
    bundle = Bundle.open(TINY)
    with pytest.raises(UnknownTaskError, match="mood"):
        with_copied_heads(bundle, "cpu-fp32", ["stars", "mood"], tmp_path / "made")
    with pytest.raises(UnknownVariantError, match="cuda-fp16"):
        with_copied_heads(bundle, "cuda-fp16", ["stars"], tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_weights_outside_the_graph_are_refused(bundle_with_outside_weights, tmp_path):
    with pytest.raises(MtlError, match=r"model\.onnx lie outside it"):
        with_copied_heads(bundle_with_outside_weights, "cpu-fp32", ["stars"], tmp_path / "made")


@pytest.fixture
def bundle_with_outside_weights(tmp_path):
    folder = Path(shutil.copytree(TINY, tmp_path / "outside"))
    (folder / "model.onnx.data").write_bytes(b"weights")
    manifest = Bundle.open(folder).manifest
    files = {**manifest.files, "model.onnx.data": FileSpec.of(b"weights")}
    return write_manifest(folder, dataclasses.replace(manifest, files=files))


def test_without_onnx_the_extra_to_install_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'mtl-export\[bench\]'"):
        with_copied_heads(Bundle.open(TINY), "cpu-fp32", ["stars"], tmp_path / "made")
    with pytest.raises(MissingPackageError, match="onnx cannot be imported"):
        flops_of(Bundle.open(TINY), "cpu-fp32")


def test_importing_what_makes_and_times_such_bundles_imports_nothing_heavy():
    code = (
        "import sys, mtl_bench.extras.tasks_curve, mtl_bench.extras.roofline, mtl_bench.extras.peaks;"
        "print({'torch', 'onnx', 'onnxruntime', 'transformers', 'mtl_export'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
