"""The sentences of a checkpoint's own splits are those that its run trained on and was validated on."""

import dataclasses

import pytest

from mtl_export.checkpoint import load_checkpoint
from mtl_export.config import Config
from mtl_export.data.holdout import hash_holdout
from mtl_export.gate.comparison_data import data_from_checkpoint
from mtl_export.training import train
from mtl_export.training.training_data import TrainingData
from tests.export.tiny import CONFIG, project


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("holdout"), train=64)
    return Config.from_dict(
        {**CONFIG, "data": {"train": "train.csv", "holdout": 0.25}, "training": {"epochs": 1}}, folder=folder
    )


@pytest.fixture(scope="module")
def checkpoint(config, tmp_path_factory):
    return load_checkpoint(train(config, tmp_path_factory.mktemp("run") / "checkpoint").path)


def texts(examples):
    return [example.text for example in examples]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_of_a_checkpoint_with_a_holdout_has_the_rows_of_its_run(checkpoint, config, split):
    of_run = getattr(TrainingData.read(config, config.tasks), split)
    sentences = data_from_checkpoint(checkpoint, split)
    assert texts(sentences.examples) == texts(of_run.rows)
    assert list(sentences.files) == ["train.csv"]


def test_a_checkpoint_of_version_1_keeps_the_rows_that_it_held_out_by_their_hash(checkpoint, config):
    earlier = dataclasses.replace(checkpoint, record=dataclasses.replace(checkpoint.record, format_version=1))
    data = TrainingData.read(config, config.tasks)
    rows = (*data.train.rows, *data.validation.rows)
    validation = texts(data_from_checkpoint(earlier, "validation").examples)
    assert set(validation) == hash_holdout(rows, {0: 0.25})
    assert set(validation) != set(texts(data.validation.rows))
    assert not set(validation) & set(texts(data_from_checkpoint(earlier, "train").examples))
