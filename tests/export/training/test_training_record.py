"""What a run leaves in its checkpoint: baselines, row counts, findings that are warned of too, and the page."""

import csv
import logging

import pytest

from mtl_export.checkpoint import load_checkpoint
from mtl_export.config import Config
from mtl_export.training import train
from mtl_export.training_page import training_page
from tests.export.tiny import CONFIG, project


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """40 rows, of which one alone has the topic "rare"."""
    folder = project(tmp_path_factory.mktemp("few"), train=39)
    with (folder / "train.csv").open("a", newline="") as file:
        csv.writer(file).writerow(["the one and only", "neutral", "rare", "|", "1.0"])
    return Config.from_dict({**CONFIG, "data": {"train": "train.csv", "holdout": 0.1}}, folder=folder)


@pytest.fixture(scope="module")
def logged():
    return []


@pytest.fixture(scope="module")
def checkpoint(config, logged, tmp_path_factory):
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: logged.append(record.getMessage())
    logger = logging.getLogger("mtl_export")
    logger.addHandler(handler)
    try:
        return load_checkpoint(train(config, tmp_path_factory.mktemp("run") / "checkpoint").path)
    finally:
        logger.removeHandler(handler)


def test_few_rows_are_a_finding_and_a_warning(checkpoint, logged):
    findings = [finding.text for finding in checkpoint.record.training.findings]
    assert any("4 validation rows cannot tell how good it is" in finding for finding in findings)
    assert "task topic: label rare has a single training row, too few to learn from" in findings
    assert sorted(logged) == sorted(findings)
    rare, few = (next(i for i, line in enumerate(logged) if words in line) for words in ("rare", "cannot tell"))
    assert rare < few  # about the data before training, about the model after it


def test_baselines_and_row_counts_are_recorded(checkpoint):
    training = checkpoint.record.training
    assert {name: metrics.rows for name, metrics in training.majority.items()} == {"sentiment": 4, "topic": 4}
    assert {split: counts.rows for split, counts in training.splits.items()} == {"train": 36, "validation": 4}
    rare = [counts.by_label["topic"]["rare"] for counts in training.splits.values()]
    assert rare == [1, 0]


def test_the_page_of_the_training_lies_next_to_its_record(checkpoint):
    page = (checkpoint.path / "training.html").read_text("utf-8")
    assert page == training_page(checkpoint.record, title="checkpoint")
    assert "cannot tell how good it is" in page
