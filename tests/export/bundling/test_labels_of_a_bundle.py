"""How a task's labels are read goes with the model: through training, export and the gate of another machine."""

import csv

import pytest

from mtl_export.bundling.export_bundle import export_bundle
from mtl_export.checkpoint import load_checkpoint
from mtl_export.config import Config
from mtl_export.training import train
from mtl_runtime.gate.verify import verify
from tests.export.tiny import CONFIG, SMALL_LOGITS, project, write_csv

LONG = "the film was good " * 5000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sentences in which topics have twins and missing values, and texts are empty or of 90,000 bytes."""
    folder = project(tmp_path_factory.mktemp("twins"), train=48)
    for split in ("train", "validation"):
        with (folder / f"{split}.csv").open(newline="") as file:
            records = list(csv.DictReader(file))
        records[0] |= {"topic": "FILM"}
        records[1] |= {"topic": "n/a"}
        records[2] |= {"text": "", "topic": "Food"}
        write_csv(folder / f"{split}.csv", records)
    return folder


@pytest.fixture(scope="module")
def checkpoint(folder):
    training = {**CONFIG["training"], **SMALL_LOGITS, "epochs": 1}
    tasks = {"topic": {"fold_labels": True, "missing": ["n/a"]}}
    config = Config.from_dict({**CONFIG, "tasks": tasks, "training": training}, folder=folder)
    return load_checkpoint(train(config, folder / "checkpoint").path)


@pytest.fixture(scope="module")
def exported(checkpoint, folder):
    return export_bundle(checkpoint.path, folder / "bundle", variants=["cpu-fp32"])


def test_training_learns_one_class_for_twins_and_none_for_a_missing_value(checkpoint):
    (task,) = checkpoint.record.model.tasks
    assert (task.labels, task.fold_labels, task.missing) == (("film", "food"), True, ("n/a",))
    assert checkpoint.record.training.splits["train"].labelled["topic"] == 47
    problems = {finding.problem for finding in checkpoint.record.training.findings}
    assert "blank_texts" in problems
    assert not problems & {"twin_labels", "missing_values"}


def test_the_gate_of_the_export_reads_them_likewise(exported):
    assert exported.evidence.variants["cpu-fp32"].status == "verified"
    assert exported.evidence.variants["cpu-fp32"].tasks["topic"].labelled == 31


def test_verify_reads_them_likewise_on_files_of_its_own(exported, tmp_path):
    file = tmp_path / "new.csv"
    rows = [("a good film", "Film"), ("bad soup", " FOOD"), ("so so", "n/a"), ("", "food"), (LONG, "film")]
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "topic"), *rows])
    report = verify(exported.bundle.path, data=file)
    task = report.evidence.variants["cpu-fp32"].tasks["topic"]
    assert (task.sentences, task.labelled) == (5, 4)
