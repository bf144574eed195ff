"""Training end to end on tiny encoders: what it learns, what it leaves unchanged, and what survives a kill."""

import csv
import dataclasses
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mtl_export.checkpoint import load_checkpoint
from mtl_export.config import Config
from mtl_export.errors import CheckpointError, ConfigError, EncoderError
from mtl_export.training import train
from mtl_export.training.training_data import TrainingData
from mtl_runtime.errors import MtlError
from tests.export.tiny import CONFIG, project, rows, save_encoder, write_csv

TEXTS = ["the film was good", "awful soup and bad bread", "", "a plain plot of the usual scene with very nasty dinner"]


def config_of(folder, **sections):
    """The standard config with whole sections, or keys of them, changed."""
    data = {name: dict(section) for name, section in CONFIG.items()}
    for name, section in sections.items():
        data[name] = section if name in ("tasks", "data") else {**data.get(name, {}), **section}
    return Config.from_dict(data, folder=folder)


def weights_of(path):
    return load_file(Path(path) / "model.safetensors")


def same_weights(left, right, names=None):
    names = left.keys() if names is None else names
    return all(torch.equal(left[name], right[name]) for name in names)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("trained"))
    return train(config_of(folder), folder / "checkpoint")


def test_training_learns_both_tasks_and_records_how(trained):
    record = trained.record.training
    assert record.validation["sentiment"].values["accuracy"] > 0.7
    assert record.validation["topic"].values["accuracy"] > 0.8
    assert record.validation["sentiment"].confusion.rows == record.validation["sentiment"].rows == 32
    assert record.steps == 96
    assert set(record.files) == {"../train.csv", "../validation.csv", "../test.csv"}
    assert not trained.path.with_name("checkpoint.run").exists()


def test_a_loaded_checkpoint_answers_bit_for_bit_like_the_trained_model(trained):
    loaded = load_checkpoint(trained.path)
    before, after = trained.model.logits(TEXTS), loaded.model.logits(TEXTS)
    assert all(np.array_equal(before[task], after[task]) for task in ("sentiment", "topic"))
    assert loaded.record == trained.record
    assert loaded.model.encode("one").shape == (32,)
    assert loaded.model.predict(TEXTS[0])["topic"].label == "film"


def test_equal_configs_give_equal_weights_and_another_seed_gives_others(tmp_path, trained):
    folder = project(tmp_path)
    same_seed = train(config_of(folder), folder / "same")
    other_seed = train(config_of(folder, training={"seed": 1}), folder / "other")
    assert same_weights(weights_of(trained.path), weights_of(same_seed.path))
    assert not same_weights(weights_of(trained.path), weights_of(other_seed.path))


@pytest.mark.parametrize("count", [1, 3, 12])
def test_any_number_of_tasks_trains(tmp_path, count):
    folder = project(tmp_path)
    columns = ["sentiment", "topic", "stars", "tags"]
    kinds = {"stars": "regression", "tags": "multi_label"}
    heads = ("linear", "layernorm", "mlp")
    tasks = {
        f"task{index}": {
            "column": columns[index % 4],
            "kind": kinds.get(columns[index % 4], "single_label"),
            "head": heads[index % 3],
        }
        for index in range(count)
    }
    checkpoint = train(config_of(folder, tasks=tasks, training={"epochs": 1}), folder / "checkpoint")
    assert list(checkpoint.model.logits(TEXTS)) == list(tasks)
    assert set(checkpoint.record.training.validation) == set(tasks)


def test_every_kind_learns_with_half_of_its_labels_missing(tmp_path):
    folder = project(tmp_path, missing=0.5)
    tasks = {
        "sentiment": {"class_weights": "balanced", "label_smoothing": 0.05},
        "tags": {"kind": "multi_label", "class_weights": "balanced"},
        "stars": {"kind": "regression", "loss_weight": 0.5},
    }
    checkpoint = train(config_of(folder, tasks=tasks, training={"epochs": 4}), folder / "checkpoint")
    validation = checkpoint.record.training.validation
    assert validation["sentiment"].rows < 32
    assert validation["sentiment"].values["accuracy"] > 0.7
    assert validation["tags"].values["macro_f1"] > 0.7
    assert validation["stars"].values["pearson"] > 0.7
    thresholds = checkpoint.model.spec.tasks[1].thresholds
    assert len(thresholds) == 4
    assert load_checkpoint(checkpoint.path).model.spec.tasks[1].thresholds == thresholds


def test_two_sources_with_their_own_tasks_train_one_model(tmp_path):
    folder = project(tmp_path)
    small = [{"sentence": row["text"], "topic": row["topic"]} for row in rows(24, seed=7)]
    write_csv(folder / "small.csv", small)
    data = {
        "temperature": 2.0,
        "sources": [
            {"train": "train.csv", "validation": "validation.csv", "tasks": ["sentiment"]},
            {"text": "sentence", "train": "small.csv", "validation": "small.csv", "tasks": ["topic"]},
        ],
    }
    checkpoint = train(config_of(folder, data=data), folder / "checkpoint")
    assert checkpoint.record.training.validation["sentiment"].rows == 32
    assert checkpoint.record.training.validation["topic"].rows == 24


@pytest.mark.parametrize(
    "training",
    [{"precision": "bf16"}, {"loss_weighting": "uncertainty"}, {"gradient_accumulation": 2}],
    ids=lambda changes: next(iter(changes)),
)
def test_every_option_of_training_learns_and_saves_plain_float32_weights(tmp_path, trained, training):
    folder = project(tmp_path)
    epochs = {"epochs": 3}
    checkpoint = train(config_of(folder, training={**training, **epochs}), folder / "checkpoint")
    assert checkpoint.record.training.validation["topic"].values["accuracy"] > 0.8
    weights = weights_of(checkpoint.path)
    assert weights.keys() == weights_of(trained.path).keys()
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_a_frozen_encoder_keeps_its_weights_and_the_heads_learn(tmp_path):
    folder = project(tmp_path)
    before = load_file(folder / "encoder" / "model.safetensors")
    checkpoint = train(config_of(folder, training={"freeze_encoder": True}), folder / "checkpoint")
    after = weights_of(checkpoint.path)
    shared = [name for name in before if f"encoder.{name}" in after]
    assert shared
    assert all(torch.equal(before[name], after[f"encoder.{name}"]) for name in shared)


def test_frozen_lowest_layers_keep_their_weights_and_the_others_move(tmp_path):
    folder = project(tmp_path)
    before = load_file(folder / "encoder" / "model.safetensors")
    checkpoint = train(
        config_of(folder, training={"freeze_layers": 1, "initial_heads": "random"}), folder / "checkpoint"
    )
    after = weights_of(checkpoint.path)

    def moved(name):
        return not torch.equal(before[name], after[f"encoder.{name}"])

    assert not moved("embeddings.word_embeddings.weight")
    assert not moved("encoder.layer.0.attention.self.query.weight")
    assert moved("encoder.layer.1.attention.self.query.weight")


def test_training_stops_early_when_the_score_no_longer_rises(tmp_path):
    folder = project(tmp_path)
    too_slow = {"epochs": 6, "early_stopping": 1, "encoder_learning_rate": 1e-12, "head_learning_rate": 1e-12}
    checkpoint = train(config_of(folder, training=too_slow), folder / "checkpoint")
    assert checkpoint.record.training.steps == 96
    assert checkpoint.record.training.best_step == 96  # of equal scores the later


def test_a_new_task_leaves_all_other_weights_and_logits_bit_identical(tmp_path, trained):
    folder = project(tmp_path)
    config = config_of(folder, tasks={"stars": {"kind": "regression", "head": "layernorm"}})
    extended = train(config, folder / "extended", base=trained.path)
    before, after = weights_of(trained.path), weights_of(extended.path)
    assert same_weights(before, after)
    assert [task.name for task in extended.model.spec.tasks] == ["sentiment", "topic", "stars"]
    old, new = trained.model.logits(TEXTS), load_checkpoint(extended.path).model.logits(TEXTS)
    assert all(np.array_equal(old[task], new[task]) for task in old)
    assert extended.record.training.validation["stars"].values["pearson"] > 0.3


def test_tuning_one_head_moves_that_head_alone(tmp_path, trained):
    folder = project(tmp_path)
    tuned = train(config_of(folder, tasks={"topic": {"head": "mlp"}}), folder / "tuned", base=trained.path)
    before, after = weights_of(trained.path), weights_of(tuned.path)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("heads.task_topic.") for name in moved)
    assert np.array_equal(trained.model.logits(TEXTS)["sentiment"], tuned.model.logits(TEXTS)["sentiment"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": {"topic": {"head": "linear"}}}, "head 'mlp'"),
        ({"tasks": {"topic": {"head": "mlp", "labels": ["food", "film"]}}}, "leave them out"),
        ({"encoder": {"pooling": "cls"}}, "leave \\[encoder\\] out"),
    ],
)
def test_a_config_that_contradicts_the_base_checkpoint_is_refused(tmp_path, trained, changes, message):
    folder = project(tmp_path)
    with pytest.raises(ConfigError, match=message):
        train(config_of(folder, **changes), folder / "next", base=trained.path)


_DRIVER = """
import json, logging, os, signal, sys
from pathlib import Path
import torch
from mtl_export.config import Config
from mtl_export.training import train
from mtl_export.training.loop import trainer

torch.set_num_threads(1)
logging.basicConfig(format="%(message)s")
logging.getLogger("mtl_export").setLevel(logging.INFO)
where, step, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
config = Config.from_dict(json.loads(sys.argv[4]), folder=folder)

def kill_in(owner, name):
    original = getattr(owner, name)
    def wrapped(self, *arguments, **keywords):
        if self.state.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, *arguments, **keywords)
    setattr(owner, name, wrapped)

if where == "training":
    kill_in(trainer.MultiTaskTrainer, "training_step")
elif where == "writing":
    kill_in(trainer.MultiTaskTrainer, "_save_optimizer_and_scheduler")
train(config, folder / "checkpoint", resume=where == "resume")
"""


def run_driver(folder, where, step, data):
    command = [sys.executable, "-W", "ignore", "-c", _DRIVER, where, str(step), str(folder), json.dumps(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


RESUMABLE = {**CONFIG, "training": {**CONFIG["training"], "checkpoint_steps": 20}}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("alone"))
    done = run_driver(folder, "nowhere", 0, RESUMABLE)
    assert done.returncode == 0, done.stderr
    assert "resuming" not in done.stderr
    return weights_of(folder / "checkpoint")


@pytest.mark.parametrize(
    ("where", "step", "points", "latest"),
    [
        (
            "training",
            70,
            ["checkpoint-48", "checkpoint-60"],
            60,
        ),  # in the second epoch, some steps after a resume point
        (
            "writing",
            80,
            ["checkpoint-48", "checkpoint-60", "checkpoint-80"],
            60,
        ),  # there, with half a resume point on disk
        ("writing", 48, ["checkpoint-40", "checkpoint-48"], 40),  # at the end of the first epoch, likewise
    ],
)
def test_a_killed_run_resumes_from_its_last_complete_state_to_the_same_weights_bit_for_bit(
    tmp_path, uninterrupted, where, step, points, latest
):
    folder = project(tmp_path)
    killed = run_driver(folder, where, step, RESUMABLE)
    assert killed.returncode == -9, killed.stderr
    assert not (folder / "checkpoint").exists()
    assert sorted(path.name for path in (folder / "checkpoint.run").glob("checkpoint-*")) == points
    resumed = run_driver(folder, "resume", 0, RESUMABLE)
    assert resumed.returncode == 0, resumed.stderr
    assert f"resuming from checkpoint-{latest}\n" in resumed.stderr
    assert same_weights(uninterrupted, weights_of(folder / "checkpoint"))
    assert not (folder / "checkpoint.run").exists()


def test_an_unfinished_run_is_neither_overwritten_nor_resumed_with_other_data_or_config(tmp_path):
    folder = project(tmp_path)
    assert run_driver(folder, "training", 70, RESUMABLE).returncode == -9
    config = Config.from_dict(RESUMABLE, folder=folder)
    with pytest.raises(CheckpointError, match="unfinished run; continue it with --resume"):
        train(config, folder / "checkpoint")
    slower = dataclasses.replace(config, training=dataclasses.replace(config.training, encoder_learning_rate=1e-4))
    with pytest.raises(CheckpointError, match="the config, --from or the number of processes changed"):
        train(slower, folder / "checkpoint", resume=True)
    write_csv(folder / "train.csv", rows(384, seed=9))
    with pytest.raises(CheckpointError, match=r"train\.csv changed since the run was started"):
        train(config, folder / "checkpoint", resume=True)


def test_two_processes_reach_the_metrics_and_weights_of_one(tmp_path):
    folder = project(tmp_path)
    # Dropout draws from each process's own random state, so it is off where results are compared.
    save_encoder(folder / "encoder", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    tasks = {"sentiment": {"dropout": 0.0, "class_weights": "balanced"}, "topic": {"dropout": 0.0}}
    write_csv(folder / "train.csv", rows(384, seed=1, missing=0.3))
    # A process makes pairs of its own sentences alone.
    training = {**CONFIG["training"], "contrastive_weight": 0.0}
    alone = train(config_of(folder, tasks=tasks, training=training), folder / "alone")
    data = {**CONFIG, "tasks": tasks, "training": training}
    script = folder / "run.py"
    script.write_text(
        "import json, sys; from pathlib import Path\n"
        "from mtl_export.config import Config\nfrom mtl_export.training import train\n"
        f"folder = Path({str(folder)!r})\n"
        f"train(Config.from_dict(json.loads({json.dumps(data)!r}), folder=folder), folder / 'together')\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    together = load_checkpoint(folder / "together")
    assert together.record.training.validation == alone.record.training.validation
    expected, weights = weights_of(folder / "alone"), weights_of(folder / "together")
    assert max(float((expected[name] - weights[name]).abs().max()) for name in expected) < 2e-3


def test_a_damaged_checkpoint_and_a_folder_that_is_no_checkpoint_say_so(tmp_path, trained):
    with pytest.raises(CheckpointError, match=r"no checkpoint\.json"):
        load_checkpoint(tmp_path)
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in trained.path.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes((trained.path / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(broken)
    record = json.loads((trained.path / "checkpoint.json").read_text())
    (broken / "checkpoint.json").write_text(json.dumps({**record, "format_version": 9}))
    with pytest.raises(CheckpointError, match="format version 9"):
        load_checkpoint(broken)


def test_an_existing_checkpoint_is_not_replaced_without_force(tmp_path, trained):
    with pytest.raises(MtlError, match="exists already"):
        train(config_of(trained.path.parent), trained.path)


def test_a_mistake_in_the_encoder_leaves_no_run_that_would_have_to_be_resumed(tmp_path):
    folder = project(tmp_path)
    wrong = {**CONFIG, "encoder": {**CONFIG["encoder"], "max_length": 4096}}
    with pytest.raises(EncoderError, match="4096"):
        train(Config.from_dict(wrong, folder=folder), folder / "checkpoint")
    assert not (folder / "checkpoint.run").exists()


def test_a_config_without_encoder_or_base_says_what_is_missing(tmp_path):
    folder = project(tmp_path)
    data = {name: section for name, section in CONFIG.items() if name != "encoder"}
    with pytest.raises(ConfigError, match="no \\[encoder\\]"):
        train(Config.from_dict(data, folder=folder), folder / "checkpoint")


def test_a_missing_test_file_is_reported_before_training(tmp_path):
    folder = project(tmp_path)
    (folder / "test.csv").unlink()
    with pytest.raises(ConfigError, match=r"data file .*test\.csv cannot be read"):
        train(config_of(folder), folder / "checkpoint")
    assert not (folder / "checkpoint.run").exists()


def test_a_share_held_out_is_validated_on_and_never_trained_on(tmp_path, caplog):
    folder = project(tmp_path)
    data = {"train": "train.csv", "holdout": 0.25}
    with caplog.at_level(logging.INFO, "mtl_export"):
        checkpoint = train(config_of(folder, data=data), folder / "checkpoint")
    sizes = [int(line.split()[1]) for line in caplog.messages if line.startswith(("train: ", "validation: "))]
    assert sum(sizes) == 384
    assert 0.15 < sizes[1] / 384 < 0.35
    assert checkpoint.record.training.validation["topic"].rows == sizes[1]


def test_the_stages_of_a_run_are_logged(tmp_path, caplog):
    folder = project(tmp_path)
    with caplog.at_level(logging.INFO, "mtl_export"):
        checkpoint = train(config_of(folder), folder / "checkpoint")
    data, epochs = caplog.messages[:2], [line for line in caplog.messages if line.startswith("epoch")]
    assert data == ["train: 384 sentences, 0 rows skipped", "validation: 32 sentences, 0 rows skipped"]
    assert [line.partition(", ")[0] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    assert all("score 0." in line and "sentiment.accuracy 0." in line for line in epochs)
    steps = [line.partition(", ")[0] for line in caplog.messages if line.startswith("step")]
    assert steps == ["step 50/96"]
    plan = "plan: 2 epochs of 48 steps, batches of 8, learning rates 0.003 (encoder) and 0.03 (heads), "
    assert sum(line.startswith(plan) for line in caplog.messages) == 1
    warnings = [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]
    assert sorted(warnings) == sorted(finding.text for finding in checkpoint.record.training.findings)


def test_each_skipped_row_is_logged_with_its_place_and_its_reason(tmp_path, caplog):
    bad = [{"text": "soup", "topic": "fod"}, *({"text": f"text {label}", "topic": label} for label in ("film", "food"))]
    write_csv(tmp_path / "train.csv", bad)
    write_csv(tmp_path / "validation.csv", bad[1:])
    data = {"train": "train.csv", "validation": "validation.csv", "bad_rows": "skip"}
    config = Config.from_dict({"tasks": {"topic": {"labels": ["film", "food"]}}, "data": data}, folder=tmp_path)
    with caplog.at_level(logging.INFO, "mtl_export"):
        rows = TrainingData.read(config, config.tasks)
    assert len(rows.skipped) == 1
    assert caplog.messages == [
        f"skipped {tmp_path / 'train.csv'}, line 2: column 'topic': unknown label 'fod'; did you mean 'food'?",
        "train: 2 sentences, 1 rows skipped",
        "validation: 2 sentences, 0 rows skipped",
    ]


def test_weights_that_started_at_random_are_recorded_under_the_key_that_earlier_versions_wrote(tmp_path):
    folder = project(tmp_path)
    weights = load_file(folder / "encoder" / "model.safetensors")
    without_pooler = {name: tensor for name, tensor in weights.items() if "pooler" not in name}
    save_file(without_pooler, folder / "encoder" / "model.safetensors", metadata={"format": "pt"})
    config = config_of(folder, encoder={"pooling": "pooler"}, training={"epochs": 1})
    checkpoint = train(config, folder / "checkpoint")
    names = ("encoder.pooler.dense.bias", "encoder.pooler.dense.weight")
    assert load_checkpoint(checkpoint.path).record.training.newly_initialized == names
    written = json.loads((checkpoint.path / "checkpoint.json").read_text())["training"]
    assert tuple(written["fresh_weights"]) == names
    assert "newly_initialized" not in written


CHECKPOINT_KEYS = {
    "": {"format_version", "model", "training", "made_with"},
    "model": {"encoder", "encoder_config", "tasks", "heads", "token_types"},
    "training": {
        "config",
        "files",
        "best_step",
        "steps",
        "validation",
        "skipped_rows",
        "fresh_weights",
        "base",
        "plan",
        "majority",
        "probe",
        "history",
        "splits",
        "findings",
    },
}


def test_the_keys_of_a_checkpoint_are_those_that_other_versions_read(trained):
    written = json.loads((trained.path / "checkpoint.json").read_text())
    assert {"": set(written), **{name: set(written[name]) for name in ("model", "training")}} == CHECKPOINT_KEYS


def test_a_checkpoint_of_format_version_1_can_be_loaded(tmp_path, trained):
    shutil.copytree(trained.path, tmp_path / "old")
    file = tmp_path / "old" / "checkpoint.json"
    record = json.loads(file.read_text())
    record["format_version"] = 1
    for key in ("plan", "majority", "probe", "history", "splits", "findings"):
        del record["training"][key]
    file.write_text(json.dumps(record))
    loaded = load_checkpoint(file.parent)
    assert loaded.record.training.history == ()
    assert same_weights(loaded.model.state_dict(), trained.model.state_dict())


def test_a_price_in_thousands_does_not_drown_a_sentiment(tmp_path):
    folder = project(tmp_path)
    for split in ("train", "validation"):
        with (folder / f"{split}.csv").open(newline="") as file:
            records = list(csv.DictReader(file))
        for record in records:
            record["price"] = str(1000 * float(record["stars"]) + 20_000)
        write_csv(folder / f"{split}.csv", records)
    tasks = {"sentiment": {}, "price": {"kind": "regression"}}
    enough = {"epochs": 6}
    together = train(config_of(folder, tasks=tasks, training=enough), folder / "together")
    alone = train(config_of(folder, tasks={"sentiment": {}}, training=enough), folder / "alone")
    price = together.record.training.validation["price"].values
    scale = together.model.spec.tasks[1].standardization
    assert price["mae"] < 0.5 * scale.deviation
    assert scale.mean == pytest.approx(22_500, abs=200)
    assert 20_000 < together.model.predict("the film was good")["price"].value < 25_000
    accuracies = [run.record.training.validation["sentiment"].values["accuracy"] for run in (together, alone)]
    assert accuracies[0] >= accuracies[1] - 0.07


def test_a_regression_that_is_tuned_keeps_the_standardization_of_its_head(tmp_path):
    folder = project(tmp_path)
    tasks = {"stars": {"kind": "regression"}}
    base = train(config_of(folder, tasks=tasks, training={"epochs": 1}), folder / "base")
    write_csv(folder / "train.csv", [{**row, "stars": "4.0"} for row in rows(40, seed=9)])
    data = {key: value for key, value in CONFIG.items() if key != "encoder"}
    config = Config.from_dict({**data, "tasks": tasks}, folder=folder)
    tuned = train(config, folder / "tuned", base=folder / "base")
    assert tuned.model.spec.tasks[0].standardization == base.model.spec.tasks[0].standardization is not None
    assert tuned.model.predict("the film was good")["stars"].value == pytest.approx(4.0, abs=2.0)
