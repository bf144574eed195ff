"""The table of variants: what may be asked for, what is always made, and what a gate that cannot run elsewhere does."""

import dataclasses

import onnx_ir as ir
import pytest

from mtl_export.bundling import export_bundle as exporter
from mtl_export.config import Config
from mtl_export.errors import ConfigError, GateError
from mtl_export.graphs import passes, recipes
from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.recipes import RECIPES, AutoVariants, auto_variants, resolve_recipes
from mtl_export.model import MultiTaskModel
from mtl_export.training import train
from mtl_runtime.bundle.gate_config import GateBudget, GateConfig, precision_of
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.providers.registry import PROVIDERS
from tests.export.graphs.family_graphs import HEADS, MAX_LENGTH, TASKS, answers_like_pytorch, ragged
from tests.export.tiny import CONFIG, project, save_encoder


def test_cpu_fp32_is_always_made_and_first():
    assert list(resolve_recipes(["cpu-int8"])) == ["cpu-fp32", "cpu-int8"]
    assert list(resolve_recipes(["cuda-fp16", "cpu-fp32"])) == ["cpu-fp32", "cuda-fp16"]


@pytest.mark.parametrize("name", ["cpu-fp16", "cpu-bf16", "cuda-int8", "openvino-fp16", "tensorrt-int8"])
def test_what_makes_no_sense_is_refused_with_the_reason_and_what_to_use(name):
    with pytest.raises(ConfigError, match=rf"variant {name}: .*use "):
        resolve_recipes([name])


def test_no_variant_at_all_is_a_mistake():
    with pytest.raises(ConfigError, match="no variant is named"):
        resolve_recipes([])


def test_every_recipe_is_named_after_its_provider_and_a_known_precision():
    for name, recipe in RECIPES.items():
        provider = name.partition("-")[0]
        assert provider == recipe.provider
        assert provider in PROVIDERS
        assert precision_of(name) in ("fp32", "fp16", "bf16", "int8")
    assert {*auto_variants().names, *auto_variants().left_out} <= RECIPES.keys()


@pytest.mark.parametrize(
    ("running", "flags", "gpus", "names"),
    [
        (["cpu"], (), (), []),
        (["cpu", "openvino"], ("avx2",), (), []),
        (["cpu", "openvino"], ("avx512_bf16",), (), ["openvino-bf16"]),
        (["cpu"], ("avx512_bf16",), ("NVIDIA H100",), ["cuda-fp16"]),
        (["cpu", "cuda"], (), (), ["cuda-fp16"]),
    ],
)
def test_auto_makes_what_runs_well_here_and_says_why_the_rest_is_left_out(monkeypatch, running, flags, gpus, names):
    facts = dataclasses.replace(machine_facts(), cpu_flags=flags, gpus=gpus)
    monkeypatch.setattr(recipes, "machine_facts", lambda: facts)
    monkeypatch.setattr(recipes, "provider_problem", lambda name: None if name in running else "it is missing")
    auto = auto_variants()
    everywhere = ["cpu-fp32", "cpu-int8", "cpu-avx2-int8"]  # a bundle also goes to processors of other kinds
    assert list(auto.names) == [*everywhere, *names]
    assert {*auto.names, *auto.left_out} == {*everywhere, "openvino-bf16", "cuda-fp16"}
    assert all(auto.left_out.values())


def test_a_sample_is_spread_from_the_first_to_the_last():
    assert evenly_spaced(range(10), 4) == [0, 3, 6, 9]
    assert evenly_spaced(range(3), 4) == [0, 1, 2]
    assert evenly_spaced("ab", 1) == ["a"]


def test_a_decoders_causal_mask_is_fused_and_not_lost(tmp_path):
    save_encoder(tmp_path / "encoder", "bert", is_decoder=True)
    model = MultiTaskModel.from_encoder(str(tmp_path / "encoder"), TASKS, heads=HEADS, max_length=MAX_LENGTH).eval()
    passes.save(GraphBuilder(model, TASKS, [], tmp_path).fused, tmp_path / "fused.onnx")
    answers_like_pytorch(tmp_path / "fused.onnx", model)


def test_weights_that_layers_share_are_not_multiplied_by_smoothing(tmp_path):
    save_encoder(tmp_path / "encoder", "albert", num_hidden_layers=4)
    model = MultiTaskModel.from_encoder(str(tmp_path / "encoder"), TASKS, heads=HEADS, max_length=MAX_LENGTH).eval()
    graphs = GraphBuilder(model, TASKS, ragged(16, 30, seed=1), tmp_path)
    graphs = (graphs.portable, RECIPES["cpu-int8"].build(graphs, frozenset()))
    fp32, int8 = (sum(value.const_value.nbytes for value in each.graph.initializers.values()) for each in graphs)
    assert int8 < fp32


def test_tensorrts_shapes_reach_to_the_largest_batch_that_the_runtime_makes(tmp_path):
    save_encoder(tmp_path / "encoder", "bert")
    model = MultiTaskModel.from_encoder(str(tmp_path / "encoder"), TASKS, heads=HEADS, max_length=MAX_LENGTH).eval()
    options = RECIPES["tensorrt-fp16"].options(GraphBuilder(model, TASKS, [], tmp_path))
    largest = f"{PROVIDERS['tensorrt'].max_batch_size}x{MAX_LENGTH}"
    assert options["trt_profile_max_shapes"] == ",".join(f"{name}:{largest}" for name in model.inputs)
    assert options["trt_profile_min_shapes"] == ",".join(f"{name}:1x1" for name in model.inputs)


def test_a_smaller_graph_leaves_no_weights_of_a_larger_one_behind(tmp_path, monkeypatch):
    save_encoder(tmp_path / "encoder", "bert")
    model = MultiTaskModel.from_encoder(str(tmp_path / "encoder"), TASKS, heads=HEADS, max_length=MAX_LENGTH).eval()
    graph: ir.Model = GraphBuilder(model, TASKS, [], tmp_path).portable
    monkeypatch.setattr(passes, "SINGLE_FILE_LIMIT", 1000)
    assert len(passes.save(graph, tmp_path / "model.onnx")) == 2
    monkeypatch.setattr(passes, "SINGLE_FILE_LIMIT", 10**9)
    assert passes.save(graph, tmp_path / "model.onnx") == [tmp_path / "model.onnx"]
    assert not (tmp_path / "model.onnx.data").exists()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("variants"))
    tasks = {"sentiment": {}, "stars": {"kind": "regression"}}
    train(Config.from_dict({**CONFIG, "tasks": tasks}, folder=folder), folder / "checkpoint")
    return folder / "checkpoint"


def broken_fp16(graphs, _kept):
    """A graph whose every weight is rounded away."""
    graph = graphs.fused.clone()
    for value in graph.graph.initializers.values():
        if value.dtype == ir.DataType.FLOAT and value.const_value.numpy().ndim == 2:
            value.const_value = ir.tensor(value.const_value.numpy() * 0, name=value.name)
    return graph


def test_an_emulated_variant_over_its_budget_is_refused_too(checkpoint, tmp_path, monkeypatch):
    recipe = dataclasses.replace(RECIPES["cuda-fp16"], build=broken_fp16)
    monkeypatch.setattr(recipes, "RECIPES", {**RECIPES, "cuda-fp16": recipe})
    with pytest.raises(GateError, match="the gate refuses cuda-fp16: task sentiment"):
        exporter.export_bundle(checkpoint, tmp_path / "bundle", variants=["cuda-fp16"])
    monkeypatch.setattr(exporter, "auto_variants", lambda: AutoVariants(("cpu-fp32", "cuda-fp16"), {}))
    evidence = exporter.export_bundle(checkpoint, tmp_path / "bundle", variants=["auto"]).evidence
    assert evidence.refused["cuda-fp16"].status == "failed"
    assert any("mean difference" in problem for problem in evidence.refused["cuda-fp16"].tasks["stars"].problems)


def test_a_budget_for_a_task_that_there_is_not_is_a_mistake(checkpoint, tmp_path):
    gate = GateConfig(tasks={"sentimnt": GateBudget(min_agreement=1.0)})
    with pytest.raises(ConfigError, match=r"gate\.tasks\.sentimnt: no such task; known: sentiment, stars"):
        exporter.export_bundle(checkpoint, tmp_path / "bundle", gate=gate)


def test_equal_checkpoints_give_equal_bytes_of_all_variants(checkpoint, tmp_path, kept_traces):
    found = []
    for name in ("one", "two"):
        kept_traces.forget()
        bundle = exporter.export_bundle(checkpoint, tmp_path / name, variants=["cpu-int8", "openvino-int8"]).bundle
        found.append(bundle.manifest)
    assert found[0] == found[1]
    assert {"model.cpu-int8.onnx", "model.qdq-int8.onnx"} <= found[0].files.keys()
