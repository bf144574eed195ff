"""Heads that start from a linear probe, and a checkpoint that is never worse than it."""

import logging

import numpy as np
import pytest
import torch

from mtl_export.config import Config, TaskConfig
from mtl_export.model import HeadSpec, MultiTaskModel
from mtl_export.training import train
from mtl_export.training.loop.dataset import LabelledTexts
from mtl_export.training.probe import fit_heads
from mtl_runtime.bundle.manifest import Standardization, TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.metrics import task_metrics
from tests.export.tiny import CONFIG, project, rows, save_encoder

SPECS = (
    TaskSpec(name="sentiment", kind="single_label", labels=("negative", "neutral", "positive")),
    TaskSpec(name="tags", kind="multi_label", labels=("film", "food"), thresholds=(0.5, 0.5)),
    TaskSpec(name="stars", kind="regression", standardization=Standardization(mean=2500.0, deviation=1200.0)),
)
CONFIGS = {spec.name: TaskConfig(kind=spec.kind, class_weights=None) for spec in SPECS}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("encoder") / "encoder")


def labelled(count, *, seed):
    return [
        Example(
            text=row["text"],
            labels={
                "sentiment": row["sentiment"],
                "tags": tuple(name for name in row["tags"].split("|") if name in ("film", "food")),
                "stars": 1000 * float(row["stars"]),
            },
            path="rows",
            line=number,
        )
        for number, row in enumerate(rows(count, seed=seed))
    ]


@pytest.mark.parametrize("kind", ["linear", "layernorm", "mlp"])
def test_heads_of_every_kind_learn_every_kind_of_task_on_the_frozen_encoder(encoder, kind):
    torch.manual_seed(0)
    model = MultiTaskModel.from_encoder(str(encoder), SPECS, heads=HeadSpec(kind=kind), max_length=40)
    before = {name: weight.clone() for name, weight in model.encoder.state_dict().items()}
    fit_heads(model, LabelledTexts.of(labelled(400, seed=1), SPECS, model), CONFIGS, [spec.name for spec in SPECS])
    fresh = labelled(200, seed=2)
    logits = model.logits([row.text for row in fresh])
    targets = LabelledTexts.of(fresh, SPECS, model).targets
    metrics = {spec.name: task_metrics(spec, targets[spec.name], logits[spec.name]).values for spec in SPECS}
    assert metrics["sentiment"]["accuracy"] > 0.6  # a constant: 0.37
    assert metrics["tags"]["macro_f1"] > 0.75
    assert metrics["stars"]["pearson"] > 0.6
    assert metrics["stars"]["mae"] < 900  # the mean alone: 1,000
    assert all(torch.equal(before[name], weight) for name, weight in model.encoder.state_dict().items())


def test_only_the_heads_that_are_named_are_fitted(encoder):
    model = MultiTaskModel.from_encoder(str(encoder), SPECS, max_length=40)
    before = {spec.name: model.head(spec.name).output.weight.clone() for spec in SPECS}
    fit_heads(model, LabelledTexts.of(labelled(60, seed=1), SPECS, model), CONFIGS, ["tags"])
    assert not torch.equal(before["tags"], model.head("tags").output.weight)
    assert torch.equal(before["stars"], model.head("stars").output.weight)


def config_of(folder, **training):
    return Config.from_dict({**CONFIG, "training": training}, folder=folder)


def test_a_run_that_destroys_the_encoder_keeps_the_probe(tmp_path):
    folder = project(tmp_path, train=64)
    checkpoint = train(
        config_of(folder, epochs=1, encoder_learning_rate=5.0, head_learning_rate=5.0), folder / "checkpoint"
    )
    record = checkpoint.record.training
    assert record.best_step == 0
    assert record.steps > 0
    assert list(record.probe) == ["sentiment", "topic"]
    assert record.validation == record.probe
    loaded = checkpoint.model.logits(["the film was good"])["topic"]
    assert np.isfinite(loaded).all()


def test_with_random_heads_there_is_no_probe(tmp_path, caplog):
    folder = project(tmp_path, train=64)
    with caplog.at_level(logging.INFO, "mtl_export"):
        checkpoint = train(config_of(folder, epochs=1, initial_heads="random"), folder / "checkpoint")
    assert checkpoint.record.training.probe == {}
    assert "fitting the heads" not in caplog.text
    assert [evaluation.step for evaluation in checkpoint.record.training.history] == [4]


def test_the_history_goes_from_the_probe_to_the_last_step(tmp_path):
    folder = project(tmp_path, train=64)
    record = train(config_of(folder, epochs=3), folder / "checkpoint").record.training
    assert [evaluation.step for evaluation in record.history] == [0, 4, 8, 12]
    assert record.history[0].training_loss is None
    assert all(evaluation.training_loss > 0 for evaluation in record.history[1:])
    for evaluation in record.history:
        assert set(evaluation.validation_loss) == set(evaluation.metrics) == {"sentiment", "topic"}
    assert record.plan.steps == record.steps == 12
