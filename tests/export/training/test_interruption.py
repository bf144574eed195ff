"""A run that ends early says how to continue it, and one that is resumed ends as if nothing had happened."""

import dataclasses
import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from mtl_export.checkpoint import load_checkpoint, save_checkpoint
from mtl_export.config import Config
from mtl_export.errors import CheckpointError, ConfigError
from mtl_export.folder_marks import lock_run
from mtl_export.training import run_folder, run_training, train
from mtl_runtime.errors import MtlError
from tests.export.tiny import CONFIG, project, rows, write_csv

TOML = """[encoder]
model = "encoder"
max_length = 40
[tasks.sentiment]
[tasks.topic]
head = "mlp"
[data]
train = "train.csv"
validation = "validation.csv"
[training]
epochs = 2
batch_size = 8
encoder_learning_rate = 3e-3
precision = "fp32"
checkpoint_steps = 20
"""

# mtl, in which something happens when a step begins.
_DRIVER = """
import os, resource, signal, sys
from pathlib import Path
from mtl_export.training.loop.trainer import MultiTaskTrainer
from mtl_runtime.cli.app import main

what, step = sys.argv[1], int(sys.argv[2])
training_step = MultiTaskTrainer.training_step

def disturb():
    if what == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    elif what == "twice":
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
    elif what != "nothing":
        os.kill(os.getpid(), getattr(signal, what))

def disturbed(self, *arguments, **keywords):
    if self.state.global_step == step:
        disturb()
    return training_step(self, *arguments, **keywords)

MultiTaskTrainer.training_step = disturbed
main(sys.argv[3:], prog_name="mtl")
"""


def run_mtl(folder, *options, what="nothing", step=0):
    argv = [sys.executable, "-W", "ignore", "-c", _DRIVER, what, str(step), "train", "config.toml", "-o", "checkpoint"]
    return subprocess.run([*argv, *options], capture_output=True, text=True, timeout=300, check=False, cwd=folder)


def new_project(folder):
    project(folder)
    (folder / "config.toml").write_text(TOML, "utf-8")
    return folder


def resume_points(folder):
    return sorted(path.name for path in (folder / "checkpoint.run").glob("checkpoint-*"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = new_project(tmp_path_factory.mktemp("alone"))
    done = run_mtl(folder)
    assert done.returncode == 0, done.stderr
    return load_file(folder / "checkpoint" / "model.safetensors")


@pytest.mark.parametrize(("name", "code", "word"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")])
def test_a_signal_saves_a_resume_point_and_the_run_continues_from_it_bit_for_bit(
    tmp_path, uninterrupted, name, code, word
):
    folder = new_project(tmp_path)
    stopped = run_mtl(folder, what=name, step=70)
    assert stopped.returncode == code, stopped.stderr
    assert stopped.stderr.splitlines()[-3:] == [
        "stopping at step 71; a resume point is saved first",
        word,
        "saved up to step 71; the same command with --resume continues from there",
    ]
    assert resume_points(folder) == ["checkpoint-48", "checkpoint-71"]
    resumed = run_mtl(folder, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming from checkpoint-71" in resumed.stderr
    weights = load_file(folder / "checkpoint" / "model.safetensors")
    assert all(torch.equal(weights[key], uninterrupted[key]) for key in uninterrupted)


def test_a_second_signal_stops_at_once_and_the_last_resume_point_counts(tmp_path):
    stopped = run_mtl(new_project(tmp_path), what="twice", step=70)
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-2:] == [
        "interrupted",
        "saved up to step 60; the same command with --resume continues from there",
    ]


def test_a_run_that_saved_nothing_says_so_and_leaves_nothing(tmp_path):
    stopped = run_mtl(new_project(tmp_path), what="twice", step=5)
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1] == (
        "stopped before the first resume point was saved; the same command starts again"
    )
    assert not (tmp_path / "checkpoint.run").exists()


def test_a_full_disk_is_one_line_and_the_last_resume_point_counts(tmp_path):
    stopped = run_mtl(new_project(tmp_path), what="full", step=70)
    assert stopped.returncode == 2
    assert "Traceback" not in stopped.stderr
    error, note = stopped.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert note == "saved up to step 60; the same command with --resume continues from there"
    resumed = run_mtl(tmp_path, "--resume")
    assert resumed.returncode == 0, resumed.stderr


SHORT = {**CONFIG, "training": {**CONFIG["training"], "epochs": 1}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run: only copy it."""
    folder = project(tmp_path_factory.mktemp("finished"), train=64)
    train(Config.from_dict(SHORT, folder=folder), folder / "checkpoint")
    return folder


@pytest.fixture
def again(finished, tmp_path, monkeypatch):
    """A copy of the finished run, in which no step may be made."""
    shutil.copytree(finished, tmp_path / "project")
    monkeypatch.setattr(run_training, "fit", lambda *_, **__: pytest.fail("the run was made again"))
    return tmp_path / "project"


@pytest.fixture
def config(again, finished):
    """The config of the finished run, for the copy's data: the record holds where the encoder was."""
    encoder = {**SHORT["encoder"], "model": str(finished / "encoder")}
    return Config.from_dict({**SHORT, "encoder": encoder}, folder=again)


def test_a_finished_run_that_is_resumed_returns_its_checkpoint(again, config):
    record = (again / "checkpoint" / "checkpoint.json").read_bytes()
    checkpoint = train(config, again / "checkpoint", resume=True)
    assert checkpoint.model.predict("good film")["topic"].label == "film"
    assert (again / "checkpoint" / "checkpoint.json").read_bytes() == record


def test_what_a_kill_after_the_end_left_is_removed(again, config, monkeypatch):
    monkeypatch.setattr(run_training, "fit", interrupt)
    monkeypatch.setattr(run_folder, "last_resume_point", lambda folder: folder / "checkpoint-1")
    with pytest.raises(KeyboardInterrupt):
        train(config, again / "other")
    (again / "other.run").rename(again / "checkpoint.run")
    train(config, again / "checkpoint", resume=True)
    assert not list(again.glob("*checkpoint.run*"))


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("options", [{"force": True}, {"resume": True}, {}])
def test_a_folder_where_the_run_would_be_is_left_alone(again, config, options):
    (again / "new.run").mkdir()
    (again / "new.run" / "notes.txt").touch()
    with pytest.raises(
        CheckpointError, match=r"new\.run is where an unfinished run would be, and holds something else"
    ):
        train(config, again / "new", **options)
    assert (again / "new.run" / "notes.txt").is_file()


def test_two_processes_do_not_write_the_same_checkpoint(again, config):
    with lock_run(again / "new"), pytest.raises(MtlError, match="another process is writing"):
        train(config, again / "new")
    assert not list(again.glob("*new*"))


def test_a_disk_that_is_full_at_the_end_is_one_line(again, monkeypatch):
    def fail(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    checkpoint = load_checkpoint(again / "checkpoint")
    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(MtlError, match=r"new cannot be written, perhaps because the disk is full: .*No space left"):
        save_checkpoint(again / "new", checkpoint.model, checkpoint.record, page="")
    assert not list(again.glob("*new*"))


def test_training_that_diverges_names_the_learning_rates(tmp_path):
    folder = project(tmp_path, train=64)
    steep = {**SHORT, "training": {**SHORT["training"], "encoder_learning_rate": 1e20}}
    with pytest.raises(
        ConfigError, match=r"training diverged before step \d+: .* encoder_learning_rate is 1e\+20"
    ) as end:
        train(Config.from_dict(steep, folder=folder), folder / "checkpoint")
    assert not (folder / "checkpoint").exists()
    assert "stopped before the first resume point was saved" in end.value.__notes__[0]


def test_a_finished_run_of_another_config_or_other_data_is_not_resumed(again, config):
    slower = dataclasses.replace(config, training=dataclasses.replace(config.training, encoder_learning_rate=1e-4))
    with pytest.raises(CheckpointError, match="was trained with another config, other data or another --from"):
        train(slower, again / "checkpoint", resume=True)
    write_csv(again / "train.csv", rows(64, seed=9))
    with pytest.raises(CheckpointError, match="name another output, or replace it with --force"):
        train(config, again / "checkpoint", resume=True)


def test_a_folder_of_something_else_is_not_replaced_by_a_run_that_is_resumed(again, config):
    (again / "notes").mkdir()
    (again / "notes" / "note.txt").touch()
    with pytest.raises(MtlError, match="exists already"):
        train(config, again / "notes", resume=True)
    assert not (again / "notes.run").exists()


def test_resuming_where_nothing_was_started_starts(tmp_path, caplog):
    folder = project(tmp_path, train=64)
    with caplog.at_level("INFO", "mtl_export"):
        train(Config.from_dict(SHORT, folder=folder), folder / "checkpoint", resume=True)
    assert f"there is no resume point in {folder / 'checkpoint.run'}; starting at the first step" in caplog.messages


def test_a_run_that_may_replace_its_output_still_may_when_it_is_resumed_with_its_own_plan(
    finished, tmp_path, monkeypatch
):
    folder = shutil.copytree(finished, tmp_path / "project")
    data = {**SHORT, "training": {**SHORT["training"], "epochs": 2, "seed": 1}}
    config = Config.from_dict(data, folder=folder)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_training, "build_checkpoint_record", stop)
        with pytest.raises(KeyboardInterrupt) as caught:
            train(config, folder / "checkpoint", force=True)
    assert caught.value.__notes__ == ["saved up to step 16; the same command with --resume continues from there"]
    plan = json.loads((folder / "checkpoint.run" / "run.json").read_text("utf-8"))["plan"]
    monkeypatch.setattr(run_training, "plan_training", lambda *_, **__: pytest.fail("planned again"))
    checkpoint = train(config, folder / "checkpoint", resume=True)
    assert checkpoint.record.training.config.training.seed == 1
    assert checkpoint.record.training.plan.steps == plan["steps"] == 16


def test_resume_and_force_exclude_each_other(again, config):
    with pytest.raises(ConfigError, match="choose one"):
        train(config, again / "checkpoint", resume=True, force=True)
