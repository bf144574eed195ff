"""Export end to end: a bundle that answers like PyTorch, or none at all."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from tokenizers import processors

import mtl_runtime
from mtl_export.bundling import export_bundle as exporter
from mtl_export.bundling.golden_texts import EDGE_TEXTS, self_test_lines
from mtl_export.bundling.summarize_training import summarize_training
from mtl_export.checkpoint import load_checkpoint
from mtl_export.config import Config
from mtl_export.data import splits
from mtl_export.errors import CheckpointError, ConfigError, ExportError, GateError
from mtl_export.graphs.recipes import AutoVariants
from mtl_export.model import MultiTaskModel
from mtl_export.training import train
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import GateBudget, GateConfig, PrecisionBudget
from mtl_runtime.bundle.golden import GoldenText, parse_golden, parse_golden_answers
from mtl_runtime.bundle.manifest import FileSpec, TaskSpec
from mtl_runtime.bundle.training_summary import Finding
from mtl_runtime.cli import stages as stages_module
from mtl_runtime.cli.app import main
from mtl_runtime.core.work import PLANNED, STAGE
from mtl_runtime.evidence.files import read_evidence
from mtl_runtime.gate.verify import verify
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.providers.session import Session, provider_problem
from tests.export.tiny import CONFIG, SMALL_LOGITS, VOCABULARY, project, rows, write_csv
from tests.runtime.bundle.hub_layout import snapshot_of

# The fp32 graph alone; variants have tests of their own.
export_bundle = partial(exporter.export_bundle, variants=["cpu-fp32"])

TASKS = {
    "sentiment": {},
    "tags": {"kind": "multi_label", "head": "layernorm"},
    "stars": {"kind": "regression", "head": "mlp"},
}


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("bundle"), missing=0.1)
    training = {**CONFIG["training"], **SMALL_LOGITS}
    train(Config.from_dict({**CONFIG, "tasks": TASKS, "training": training}, folder=folder), folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture(scope="module")
def exported(checkpoint):
    return export_bundle(checkpoint, checkpoint.parent / "bundle")


def test_the_bundle_answers_end_to_end_like_the_pytorch_model(checkpoint, exported):
    model = load_checkpoint(checkpoint).model
    classifier = mtl_runtime.load(exported.bundle.path)
    texts = [row["text"] for row in rows(50, seed=11)] + ["", "   ", "good " * 500]
    expected, got = model.logits(texts), classifier.logits(texts)
    assert list(got) == ["sentiment", "tags", "stars"]
    for task in got:
        assert np.abs(got[task] - expected[task]).max() < 1e-6 * np.abs(expected[task]).max()
    assert np.abs(classifier.embed(texts) - model.encode(texts)).max() < 1e-5
    assert [p["sentiment"].label for p in classifier(texts)] == [p["sentiment"].label for p in model.predict(texts)]
    assert [p["tags"].labels for p in classifier(texts)] == [p["tags"].labels for p in model.predict(texts)]
    assert classifier(texts[-1]).truncated
    assert exported.bundle.manifest.text_columns == classifier.source.text_columns == ("text",)


def test_the_bundle_verifies_and_carries_evidence_for_every_task(exported):
    report = verify(exported.bundle.path)
    assert all(check.passed for check in report.checks), report
    (evidence,) = (found for found in read_evidence(exported.bundle) if found.reference == "PyTorch")
    assert evidence == exported.evidence
    measured = evidence.variants["cpu-fp32"]
    assert measured.status == "verified"
    assert set(measured.tasks) == {"sentiment", "tags", "stars"}
    assert measured.tasks["sentiment"].sentences == 32 + len(EDGE_TEXTS)
    assert measured.tasks["sentiment"].labelled < 32
    assert measured.tasks["sentiment"].metrics == measured.tasks["sentiment"].reference_metrics
    assert measured.tasks["sentiment"].flips == 0
    assert list(evidence.data) == ["validation.csv"]


def test_a_bundle_says_how_many_rows_the_embedding_table_has(exported):
    assert exported.bundle.manifest.encoder.vocab_size == len(VOCABULARY)


def test_training_scores_and_findings_stand_in_manifest_evidence_and_at_the_top_of_the_model_card(checkpoint, tmp_path):
    shutil.copytree(checkpoint.parent, tmp_path / "project")
    file = tmp_path / "project" / "checkpoint" / "checkpoint.json"
    record = json.loads(file.read_text("utf-8"))
    training = record["training"]
    always = {"rows": 30, "values": {"accuracy": 1.0, "macro_f1": 1.0}}
    finding = {"problem": "no_better_than_majority", "task": "sentiment", "text": "a_finding"}
    training |= {"majority": {"sentiment": always}, "probe": {"sentiment": always}, "findings": [finding]}
    file.write_text(json.dumps(record), "utf-8")
    exported = export_bundle(file.parent, tmp_path / "bundle")
    summary = exported.bundle.manifest.training
    assert summary == exported.evidence.training == verify(exported.bundle.path).evidence.training
    scores = summary.validation["sentiment"]
    assert scores.model["macro_f1"] == training["validation"]["sentiment"]["values"]["macro_f1"]
    assert scores.probe == scores.majority == {"accuracy": 1.0, "macro_f1": 1.0}
    assert [found.text for found in summary.findings] == ["a_finding"]
    assert scores.rating == "no better than the majority"
    card = (exported.bundle.path / "MODEL_CARD.md").read_text("utf-8")
    places = (
        "a\\_finding",
        "| task | metric | this model | 95 % interval |",
        "no better than the majority",
        "## Tasks",
    )
    assert [*map(card.index, places)] == sorted(map(card.index, places))


@pytest.mark.parametrize(
    ("problems", "rating"),
    [
        ([], "better than the majority"),
        ([("rare_labels", "sentiment"), ("no_better_than_majority", "stars")], "better than the majority"),
        ([("worse_than_probe", "sentiment")], "worse than the probe"),
        ([("worse_than_probe", "sentiment"), ("no_better_than_majority", "sentiment")], "no better than the majority"),
        ([("other", None)], "unknown"),  # a sentence of an earlier version may say anything
    ],
)
def test_the_rating_of_a_task_is_what_trainings_findings_say(checkpoint, problems, rating):
    record = load_checkpoint(checkpoint).record.training
    findings = tuple(Finding(problem=problem, task=task, text="...") for problem, task in problems)
    summary = summarize_training(dataclasses.replace(record, findings=findings))
    assert summary.validation["sentiment"].rating == rating


def test_a_checkpoint_without_baselines_is_compared_with_the_majority_of_its_validation_rows(checkpoint, tmp_path):
    record = load_checkpoint(checkpoint).record.training
    old = dataclasses.replace(record, majority={}, probe={})
    scores = summarize_training(old).validation
    most = max(label.rows for label in record.validation["sentiment"].by_label)
    assert scores["sentiment"].majority == {"accuracy": most / record.validation["sentiment"].rows}
    assert scores["sentiment"].rating == "unknown"
    assert scores["stars"].majority == scores["stars"].probe == {}
    assert scores["stars"].rating == "unknown"


def test_the_work_that_an_export_announces_is_the_work_that_its_stages_have(checkpoint, tmp_path, caplog):
    with caplog.at_level("INFO"):
        export_bundle(checkpoint, tmp_path / "bundle")
    announced = sum(getattr(record, PLANNED, 0.0) for record in caplog.records)
    assert announced == pytest.approx(sum(getattr(record, STAGE, 0.0) for record in caplog.records))


def test_an_export_without_a_terminal_shows_a_few_lines_and_says_how_long_the_rest_takes(
    checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(stages_module, "_LEAST_SECONDS", 0.0)
    command = ["export", str(checkpoint), "-o", str(tmp_path / "bundle"), "--variants", "cpu-int8,cuda-fp16"]
    lines = CliRunner().invoke(main, command).stderr.splitlines()
    assert len(lines) <= 25
    assert any(re.search(r"cpu-int8: .* \(about .* left\)$", line) for line in lines)


def test_an_export_says_which_variants_auto_leaves_out_and_what_each_graph_adds(checkpoint, tmp_path, monkeypatch):
    choice = AutoVariants(("cpu-fp32",), {"cuda-fp16": "there is no NVIDIA GPU here"})
    monkeypatch.setattr(exporter, "auto_variants", lambda: choice)
    done = CliRunner().invoke(main, ["export", str(checkpoint), "-o", str(tmp_path / "bundle")])
    assert "auto makes cpu-fp32; no cuda-fp16: there is no NVIDIA GPU here" in done.stderr
    assert "(to have them: --variants auto,cuda-fp16)" in done.stderr
    assert "loading torch and transformers" in done.stderr.splitlines()[0]
    sizes = {name: file.bytes / 1e6 for name, file in Bundle.open(tmp_path / "bundle").manifest.files.items()}
    assert f"Size of the bundle: {sum(sizes.values()):.1f} MB" in done.stdout
    assert re.search(rf"cpu-fp32 +model\.onnx +{sizes['model.onnx']:.1f} MB", done.stdout)


def test_a_variant_that_cannot_be_compared_here_is_not_offered_right_after_saying_so(monkeypatch, caplog):
    absent = "OpenVINO's provider cannot run here"
    monkeypatch.setattr(
        "mtl_export.graphs.recipes.provider_problem", lambda name: absent if name == "openvino" else None
    )
    left_out = {"openvino-bf16": absent, "cuda-fp16": "there is no NVIDIA GPU here"}
    with caplog.at_level("INFO", "mtl_export"):
        exporter._log_auto(AutoVariants(("cpu-fp32",), left_out), frozenset())
    assert f"no openvino-bf16: {absent}" in caplog.text
    assert "(to have them: --variants auto,cuda-fp16)" in caplog.text  # whose rounding is imitated here


def test_equal_checkpoints_give_equal_bytes_evidence_aside(checkpoint, exported, tmp_path, kept_traces):
    kept_traces.forget()
    again = export_bundle(checkpoint, tmp_path / "again")
    first, second = (
        {name: data for name, data in files_of(bundle.path).items() if not name.startswith("evidence/")}
        for bundle in (exported.bundle, again.bundle)
    )
    assert first == second


def test_no_file_of_the_bundle_names_a_folder_of_this_machine(exported):
    for name, data in files_of(exported.bundle.path).items():
        assert str(Path.home()).encode() not in data or name.startswith("evidence/"), name
        assert str(exported.bundle.path.parent).encode() not in data, name


def test_evidence_is_dated_by_source_date_epoch_where_that_is_set(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert export_bundle(checkpoint, tmp_path / "dated").evidence.measured_at == "1970-01-02T00:00:00+00:00"


def test_a_graph_over_budget_is_refused_and_leaves_nothing(checkpoint, tmp_path):
    strict = GateConfig(tasks={"stars": GateBudget(max_logit_difference=0.0)})
    with pytest.raises(GateError, match=r"cpu-fp32: task stars: largest logit difference .* over the budget") as caught:
        export_bundle(checkpoint, tmp_path / "refused", gate=strict)
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_exported_under_a_relaxed_fp32_budget_verifies_under_it(checkpoint, tmp_path, monkeypatch):
    """The graph is wrong by more than fp32's default allows, and the config says that this is fine."""
    monkeypatch.setattr(exporter, "golden_texts", shifted(exporter.golden_texts))
    relaxed = GateConfig(precisions={"fp32": PrecisionBudget(budget=GateBudget(max_logit_difference=0.1))})
    bundle = export_bundle(checkpoint, tmp_path / "relaxed", gate=relaxed).bundle
    report = verify(bundle.path)
    assert report.passed, report.checks
    strict = export_bundle(checkpoint, tmp_path / "strict").bundle
    assert [check.name for check in verify(strict.path).checks if check.passed is False] == ["cpu-fp32: golden logits"]


def shifted(golden_texts):
    """Golden texts whose logits are off by 0.001, ten times what fp32's default allows."""

    def shift(*arguments):
        return [
            dataclasses.replace(
                text, logits={task: tuple(value + 1e-3 for value in row) for task, row in text.logits.items()}
            )
            for text in golden_texts(*arguments)
        ]

    return shift


def test_each_set_of_sentences_is_read_once_and_answered_once(checkpoint, tmp_path, monkeypatch):
    read, answered = Counter(), Counter()
    count_calls(monkeypatch, splits, "read_examples", lambda sources, *_, **__: read.update(files_in(sources)))
    count_calls(
        monkeypatch,
        Classifier,
        "logits",
        lambda self, texts: answered.update([(self.info.variant, len(list(texts)))]),
    )
    count_calls(monkeypatch, MultiTaskModel, "logits", lambda _self, texts: answered.update([("PyTorch", len(texts))]))
    monkeypatch.setattr("mtl_export.gate.variant_builder.autotune", lambda *_: None)
    monkeypatch.setattr("mtl_runtime.gate.gate_variant.measure_speed", lambda *_, **__: None)
    exporter.export_bundle(checkpoint, tmp_path / "bundle", variants=["cpu-int8"])
    assert read == {"validation.csv": 1, "train.csv": 1}
    golden = len(EDGE_TEXTS) + 32
    tested = len(golden_answers(tmp_path / "bundle", "cpu-int8").lines)
    expected = {("PyTorch", 32): 1, ("PyTorch", len(EDGE_TEXTS)): 1, ("PyTorch", golden): 1}
    for variant in ("cpu-fp32", "cpu-int8"):
        expected |= {(variant, 32): 1, (variant, len(EDGE_TEXTS)): 1, (variant, tested): 1}
    assert answered == expected


def test_nothing_is_hashed_before_the_bundle_is_finished(checkpoint, tmp_path, monkeypatch):
    hashed = []
    of_file = FileSpec.of_file.__func__
    monkeypatch.setattr(
        FileSpec, "of_file", classmethod(lambda cls, file: hashed.append(Path(file)) or of_file(cls, file))
    )
    exporter.export_bundle(checkpoint, tmp_path / "bundle", variants=["cpu-int8"])
    own = [file.name for file in hashed if checkpoint.parent != file.parent]
    answers = ["golden.cpu-fp32.json", "golden.cpu-int8.json"]
    graphs = ["model.cpu-int8.onnx", "model.onnx"]
    assert sorted(own) == ["MODEL_CARD.md", *answers, "golden.jsonl", *graphs, "tokenizer.json"]


def test_each_graph_is_opened_once_for_each_set_of_options(checkpoint, tmp_path, monkeypatch):
    opened = Counter()
    open_session = Session.open.__func__

    def count(cls, graph, **options):
        if graph.parent.name.startswith(".bundle"):  # not a graph in the making
            opened.update([(graph.name, *sorted((name, str(value)) for name, value in options.items()))])
        return open_session(cls, graph, **options)

    monkeypatch.setattr(Session, "open", classmethod(count))
    exporter.export_bundle(checkpoint, tmp_path / "bundle", variants=["cpu-int8"])
    assert {name for name, *_ in opened} == {"model.onnx", "model.cpu-int8.onnx"}
    assert set(opened.values()) == {1}


def golden_answers(path, variant):
    name = f"golden.{variant}.json"
    return parse_golden_answers((path / name).read_bytes(), where=name)


def test_each_verified_variant_keeps_its_own_golden_answers(checkpoint, tmp_path):
    bundle = exporter.export_bundle(checkpoint, tmp_path / "bundle", variants=["cpu-int8", "cuda-fp32"]).bundle
    specs = bundle.manifest.variants
    assert bundle.manifest.format_version == 2
    assert {name: spec.golden_answers for name, spec in specs.items()} == {
        "cpu-fp32": "golden.cpu-fp32.json",
        "cpu-int8": "golden.cpu-int8.json",
        # Emulated, they would be another provider's answers.
        "cuda-fp32": None if provider_problem("cuda") else "golden.cuda-fp32.json",
    }
    golden = parse_golden(bundle.read("golden.jsonl"))
    answers = golden_answers(bundle.path, "cpu-int8")
    texts = [golden[line - 1].text for line in answers.lines]
    here = mtl_runtime.load(bundle.path, variant="cpu-int8").logits(texts)
    for task, own in answers.logits.items():
        assert np.abs(here[task] - np.array(own)).max() < 1e-5
    pytorch = np.array([golden[line - 1].logits["sentiment"] for line in answers.lines])
    assert np.abs(pytorch - np.array(answers.logits["sentiment"])).max() > 1e-4  # its own, not PyTorch's
    assert verify(bundle.path, quick=True).passed


def test_the_self_test_reads_whole_texts_of_all_lengths_and_few_tokens():
    lengths = [3] * len(EDGE_TEXTS) + [64, *range(4, 204)]
    golden = [GoldenText(text=str(n), ids=(1,) * n, logits={}) for n in lengths]
    lines = self_test_lines(golden, max_length=64)
    read = [lengths[line - 1] for line in lines]
    assert read[: len(EDGE_TEXTS)] == [3] * len(EDGE_TEXTS)
    assert (read[len(EDGE_TEXTS)], max(read)) == (4, 63)
    assert len(lines) == len(set(lines))
    assert sum(read) <= 1024
    assert self_test_lines(golden[:2], max_length=64) == (1, 2)


def files_in(sources):
    return [Path(file).name for source in sources for file in source.files]


def count_calls(monkeypatch, owner, name, note):
    original = getattr(owner, name)

    def call(*arguments, **options):
        note(*arguments, **options)
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, call)


def test_a_refused_export_keeps_the_bundle_that_was_there(checkpoint, exported, tmp_path):
    shutil.copytree(exported.bundle.path, tmp_path / "bundle")
    before = files_of(tmp_path / "bundle")
    with pytest.raises(mtl_runtime.MtlError, match="exists already"):
        export_bundle(checkpoint, tmp_path / "bundle")
    strict = GateConfig(budget=GateBudget(max_logit_difference=0.0))
    with pytest.raises(GateError):
        export_bundle(checkpoint, tmp_path / "bundle", gate=strict, force=True)
    assert files_of(tmp_path / "bundle") == before


def test_validation_files_that_changed_since_training_are_not_used_silently(tmp_path):
    folder = project(tmp_path)
    train(Config.from_dict(CONFIG, folder=folder), folder / "checkpoint")
    write_csv(folder / "validation.csv", rows(32, seed=5))
    with pytest.raises(CheckpointError, match=r"validation\.csv has changed since training; .* --data"):
        export_bundle(folder / "checkpoint", folder / "bundle")
    (folder / "validation.csv").unlink()
    with pytest.raises(CheckpointError, match="no longer exists"):
        export_bundle(folder / "checkpoint", folder / "bundle")
    unlabelled = write_csv(folder / "other.csv", [{"text": row["text"]} for row in rows(10, seed=6)])
    measured = export_bundle(folder / "checkpoint", folder / "bundle", data=[unlabelled]).evidence.variants["cpu-fp32"]
    assert (measured.tasks["topic"].sentences, measured.tasks["topic"].labelled) == (10 + len(EDGE_TEXTS), 0)


def test_a_checkpoint_and_its_data_can_move_together(checkpoint, tmp_path):
    shutil.copytree(checkpoint.parent, tmp_path / "moved")
    export_bundle(tmp_path / "moved" / "checkpoint", tmp_path / "bundle")


def test_a_checkpoint_in_a_hub_cache_answers_like_the_folder_that_was_uploaded(checkpoint, tmp_path):
    snapshot = snapshot_of(checkpoint, tmp_path / "hub")
    assert (snapshot / "model.safetensors").is_symlink()
    texts = ["the film was good", "awful soup"]
    logits, expected = (load_checkpoint(folder).model.logits(texts) for folder in (snapshot, checkpoint))
    assert all(np.array_equal(logits[task], expected[task]) for task in TASKS)


def test_a_checkpoint_with_a_nan_weight_is_refused(checkpoint, tmp_path):
    shutil.copytree(checkpoint.parent, tmp_path / "copy")
    file = tmp_path / "copy" / "checkpoint" / "model.safetensors"
    weights = load_file(file)
    weights["heads.task_sentiment.output.bias"][0] = float("inf")
    save_file(weights, file)
    with pytest.raises(ExportError, match=r"task_sentiment\.output\.bias holds NaN or infinity"):
        export_bundle(tmp_path / "copy" / "checkpoint", tmp_path / "bundle")


def test_weights_above_the_single_file_limit_lie_beside_the_graph_and_are_hashed(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_export.graphs.passes.SINGLE_FILE_LIMIT", 1000)
    bundle = export_bundle(checkpoint, tmp_path / "bundle").bundle
    assert {"model.onnx", "model.onnx.data"} <= set(bundle.manifest.files)
    in_hub_cache = mtl_runtime.load(snapshot_of(bundle.path, tmp_path / "hub"), variant="cpu-fp32")
    golden = [text.text for text in parse_golden(bundle.read("golden.jsonl"))]
    logits, expected = in_hub_cache.logits(golden), mtl_runtime.load(bundle.path, variant="cpu-fp32").logits(golden)
    assert all(np.array_equal(logits[task], expected[task]) for task in TASKS)
    file = bundle.path / "model.onnx.data"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(mtl_runtime.MtlError, match=r"model\.onnx\.data"):
        mtl_runtime.load(bundle.path)


def test_token_types_are_an_input_only_where_the_tokenizer_uses_them(tmp_path):
    from tests.export.tiny import tiny_tokenizer

    folder = project(tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "encoder" / "tokenizer.json"))
    train(Config.from_dict(CONFIG, folder=folder), folder / "checkpoint")
    bundle = export_bundle(folder / "checkpoint", folder / "bundle").bundle
    assert bundle.manifest.inputs == ("input_ids", "attention_mask", "token_type_ids")
    texts = ["good film", "bad"]
    difference = (
        mtl_runtime.load(bundle.path).logits(texts)["topic"]
        - load_checkpoint(folder / "checkpoint").model.logits(texts)["topic"]
    )
    assert np.abs(difference).max() < 1e-5


def test_an_unknown_variant_is_refused_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match="unknown variant 'cpu-int3'; known: cpu-fp32"):
        export_bundle(tmp_path / "nowhere", tmp_path / "bundle", variants=["cpu-int3"])


def test_the_command_line_exports_and_a_refusal_ends_with_exit_code_1(checkpoint, tmp_path):
    run = CliRunner().invoke
    done = run(main, ["export", str(checkpoint), "-o", str(tmp_path / "bundle"), "--variants", "cpu-fp32"])
    assert done.exit_code == 0, done.output
    assert "verified" in done.output
    assert "Where the time went: " in done.stdout
    assert run(main, ["verify", str(tmp_path / "bundle")]).exit_code == 0
    assert run(main, ["inspect", str(tmp_path / "bundle")]).output.count("cpu-fp32") >= 4
    strict = tmp_path / "gate.toml"
    strict.write_text("[gate]\nmax_logit_difference = 0.0\n")
    refused = run(main, ["export", str(checkpoint), "-o", str(tmp_path / "no"), "--gate", str(strict)])
    assert refused.exit_code == 1
    assert "over the budget" in refused.output
    assert not (tmp_path / "no").exists()
    missing = run(main, ["export", str(tmp_path / "nothing"), "-o", str(tmp_path / "no")])
    assert missing.exit_code == 2
    as_json = run(main, ["export", str(checkpoint), "-o", str(tmp_path / "bundle"), "--force", "--json"])
    evidence = json.loads(as_json.stdout)
    assert evidence["variants"]["cpu-fp32"]["status"] == "verified"
    seconds = {stage["stage"]: stage["seconds"] for stage in evidence["stages"]}
    assert seconds["tracing the graph: PyTorch's operations become ONNX"] > 0
    assert any(stage.startswith("cpu-fp32: checking stability") for stage in seconds)


def test_the_command_line_trains_and_prints_mistakes_in_one_line(tmp_path):
    folder = project(tmp_path)
    (folder / "config.toml").write_text(
        '[encoder]\nmodel = "encoder"\nmax_length = 40\n[tasks.topic]\n'
        '[data]\ntrain = "train.csv"\nvalidation = "validation.csv"\n[training]\nepochs = 1\n'
    )
    run = CliRunner().invoke
    done = run(main, ["train", str(folder / "config.toml"), "-o", str(folder / "checkpoint")])
    assert done.exit_code == 0, done.output
    assert "epoch 1/1" in done.output
    again = run(main, ["train", str(folder / "config.toml"), "-o", str(folder / "checkpoint")])
    assert again.exit_code == 2
    assert again.output.strip().splitlines()[-1].startswith("error: ")
    (folder / "config.toml").write_text("[tasks.topic]\nkindd = 3\n")
    wrong = run(main, ["train", str(folder / "config.toml"), "-o", str(folder / "other")])
    assert wrong.exit_code == 2
    assert "tasks.topic.kindd: unknown key; did you mean 'kind'?" in wrong.output


def test_optimum_cli_is_a_second_door_to_the_same_export(checkpoint, tmp_path):
    program = Path(sys.executable).with_name("optimum-cli")
    command = [str(program), "export", "mtl", str(checkpoint), "-o", str(tmp_path / "bundle"), "--variants", "cpu-fp32"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    ours = export_bundle(checkpoint, tmp_path / "ours").bundle
    assert Bundle.open(tmp_path / "bundle").digest == ours.digest
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert refused.returncode == 2
    assert "exists already" in refused.stderr


def test_the_library_builds_a_model_from_an_encoder_in_a_few_lines(tmp_path):
    from mtl_export import HeadSpec, MultiTaskModel

    folder = project(tmp_path)
    tasks = [
        TaskSpec(name="sentiment", kind="single_label", labels=("negative", "neutral", "positive")),
        TaskSpec(name="topic", kind="single_label", labels=("film", "food")),
    ]
    model = MultiTaskModel.from_encoder(str(folder / "encoder"), tasks, heads=HeadSpec(kind="mlp"), max_length=40)
    batch = model.tensors(model.tokenize(["one", "two words"]))
    output = model(**batch)
    assert output.logits["sentiment"].shape == (2, 3)
    assert output.sentence_embedding.shape == (2, 32)
    torch.nn.functional.cross_entropy(output.logits["topic"], torch.tensor([0, 1])).backward()
    assert model.head("topic").output.weight.grad is not None
