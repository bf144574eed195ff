"""Repair: the most sensitive MatMuls go back to fp32 until the budget holds, or the variant is refused by name."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from mtl_export.bundling import export_bundle as exporter
from mtl_export.config import Config
from mtl_export.errors import GateError
from mtl_export.gate.mixed_precision_search import search_mixed_precision
from mtl_export.graphs.recipes import auto_variants
from mtl_export.training import train
from mtl_runtime import load
from mtl_runtime.bundle.gate_config import GateBudget, GateConfig
from mtl_runtime.cli.app import main
from mtl_runtime.evidence.files import read_evidence
from mtl_runtime.evidence.schema import Histogram, TaskEvidence, VariantEvidence
from tests.export.tiny import CONFIG, SMALL_LOGITS, project

NAMES = [f"layer.{number}" for number in range(8)]
# What quantizing each MatMul alone does to the logits.
HARM = {name: 0.01 * number for number, name in enumerate(NAMES)}


def evidence_of(harm, budget):
    agreement = 1.0 - harm
    task = TaskEvidence(
        kind="single_label",
        sentences=100,
        agreement=agreement,
        agreement_low=0.0,
        agreement_high=1.0,
        flips=0,
        flips_outside_ties=0,
        flipped=(),
        logit_scale=1.0,
        max_logit_difference=harm,
        mean_logit_difference=harm,
        logit_differences=Histogram(edges=(0.0, 1.0), counts=(0,)),
        max_probability_difference=0.0,
        mean_probability_difference=0.0,
        not_finite=0,
        problems=() if harm <= budget else ("over",),
    )
    status = "verified" if harm <= budget else "failed"
    return VariantEvidence(status=status, provider="cpu", threads=1, tasks={"tone": task})


def search(budget, *, seconds=60.0):
    asked = []

    def harm(excluded):
        return sum(value for name, value in HARM.items() if name not in excluded)

    def answers(excluded):
        asked.append(excluded)
        return {"tone": np.full((4, 2), harm(excluded), np.float32)}

    solution, record = search_mixed_precision(
        evidence_of(harm(frozenset()), budget),
        NAMES,
        variant="cpu-int8",
        answers=answers,
        judge=lambda excluded: evidence_of(harm(excluded), budget),
        seconds=seconds,
    )
    return solution, record, asked


def test_the_most_sensitive_matmuls_go_back_first_and_no_more_than_needed():
    solution, record, _ = search(budget=0.16)
    assert solution == {"layer.7", "layer.6"}
    assert [node.node for node in record.kept] == ["layer.7", "layer.6"]
    assert record.kept[0].sensitivity == pytest.approx(0.07)
    assert [(step.kept, step.holds) for step in record.curve] == [(0, False), (1, False), (2, True)]
    assert record.candidates == 8


def test_a_variant_that_needs_more_than_half_of_its_matmuls_is_given_up():
    solution, record, _ = search(budget=0.01)
    assert solution is None
    assert [step.kept for step in record.curve] == [0, 1, 2, 4]
    assert not any(step.holds for step in record.curve)
    assert len(record.kept) == 4


def test_the_search_is_bounded_in_time_and_still_tries():
    solution, record, asked = search(budget=0.25, seconds=0.0)
    assert len(asked) == 1  # fp32 alone; no sensitivity was measured any more
    assert record.curve[-1].kept >= 1
    assert solution is None or solution


@pytest.fixture(scope="module")
def outlier_checkpoint(tmp_path_factory):
    """Each feed-forward block has two inner units that are one and the same, and weights of 100 that cancel out.

    In fp32 that changes nothing. In int8 all other weights of a column share 127 steps with those two.
    """
    folder = project(tmp_path_factory.mktemp("outliers"))
    training = {**CONFIG["training"], **SMALL_LOGITS, "epochs": 3}
    train(Config.from_dict({**CONFIG, "training": training}, folder=folder), folder / "checkpoint")
    file = folder / "checkpoint" / "model.safetensors"
    weights = load_file(file)
    for layer in range(2):
        path = f"encoder.encoder.layer.{layer}"
        for name in ("weight", "bias"):
            weights[f"{path}.intermediate.dense.{name}"][1] = weights[f"{path}.intermediate.dense.{name}"][0]
        weights[f"{path}.output.dense.weight"][:, 0] += 100
        weights[f"{path}.output.dense.weight"][:, 1] -= 100
    save_file(weights, file)
    return folder / "checkpoint"


STRICT = GateConfig(budget=GateBudget(min_agreement=0.97, max_logit_difference=0.4, max_metric_drop=5.0))


def test_a_model_with_outliers_is_repaired_and_the_report_says_what_stayed(outlier_checkpoint, tmp_path):
    exported = exporter.export_bundle(
        outlier_checkpoint, tmp_path / "bundle", variants=["cpu-int8"], gate=dataclasses.replace(STRICT)
    )
    measured = exported.evidence.variants["cpu-int8"]
    assert measured.status == "verified"
    kept = [node.node for node in measured.repair.kept]
    assert kept
    assert all(".output.dense" in name and "attention" not in name for name in kept)
    assert not measured.repair.curve[0].holds
    assert measured.repair.curve[-1].holds
    ran = measured.operators
    assert ran["MatMulIntegerToFloat"] + 3 * ran["QAttention"] == 12 - len(kept)
    assert ran["QAttention"] == 2
    (stored,) = read_evidence(exported.bundle)
    assert stored.variants["cpu-int8"].repair == measured.repair
    assert load(exported.bundle.path, variant="cpu-int8")("a good film")["sentiment"].label


def test_one_that_cannot_be_repaired_is_refused_by_name_with_exit_code_1(outlier_checkpoint, tmp_path):
    gate = tmp_path / "gate.toml"
    gate.write_text("[gate]\nmax_logit_difference = 1e-4\n", "utf-8")
    command = ["export", str(outlier_checkpoint), "-o", str(tmp_path / "bundle"), "--gate", str(gate)]
    refused = CliRunner().invoke(main, [*command, "--variants", "cpu-int8"])
    assert refused.exit_code == 1
    assert "the gate refuses cpu-int8" in refused.output
    assert "MatMuls in fp32 of 12, did not bring it inside" in refused.output
    assert not (tmp_path / "bundle").exists()


def test_auto_leaves_out_what_it_cannot_repair_and_the_evidence_tells(outlier_checkpoint, tmp_path):
    gate = tmp_path / "gate.toml"
    gate.write_text("[gate]\nmax_logit_difference = 1e-4\n", "utf-8")
    command = ["export", str(outlier_checkpoint), "-o", str(tmp_path / "bundle"), "--gate", str(gate), "--json"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    evidence = json.loads(done.stdout)
    assert "cpu-int8" not in evidence["variants"]
    assert evidence["refused"]["cpu-int8"]["status"] == "failed"
    assert list(evidence["variants"]) == [name for name in auto_variants().names if name.endswith(("fp32", "bf16"))]
    assert not (tmp_path / "bundle" / "model.cpu-int8.onnx").exists()


def test_fp32_over_its_budget_is_refused_whatever_was_asked_for(outlier_checkpoint, tmp_path):
    with pytest.raises(GateError, match="the gate refuses cpu-fp32"):
        exporter.export_bundle(
            outlier_checkpoint, tmp_path / "bundle", gate=GateConfig(budget=GateBudget(max_logit_difference=0.0))
        )
