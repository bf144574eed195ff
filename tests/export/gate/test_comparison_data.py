"""The sentences of a checkpoint's own splits are those that its run trained on and was validated on."""

import dataclasses

import pytest

from mtl_export.checkpoint import load_checkpoint
from mtl_export.config import Config
from mtl_export.data.holdout import hash_holdout
from mtl_export.gate.comparison_data import data_from_checkpoint, data_from_files
from mtl_export.training import train
from mtl_export.training.training_data import TrainingData
from mtl_runtime.errors import TableError
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


@pytest.fixture
def two_sources(checkpoint):
    """The checkpoint as if its first source had its texts in ``sentence`` and another one in ``body``."""
    config = checkpoint.record.training.config
    (source,) = config.data.sources
    sources = tuple(dataclasses.replace(source, text=text) for text in ("sentence", "body", "sentence"))
    data = dataclasses.replace(config.data, sources=sources)
    training = dataclasses.replace(checkpoint.record.training, config=dataclasses.replace(config, data=data))
    return dataclasses.replace(checkpoint, record=dataclasses.replace(checkpoint.record, training=training))


@pytest.mark.parametrize(
    ("header", "column", "read"),
    [
        ("sentence,body", None, "first"),
        ("text,body", None, "second"),
        ("text,other", None, "first"),
        ("sentence,body", "body", "second"),
    ],
)
def test_sentences_of_the_user_are_read_from_a_column_of_training_or_the_one_named(
    two_sources, tmp_path, header, column, read
):
    (tmp_path / "new.csv").write_text(f"{header}\nfirst,second\n", "utf-8")
    assert two_sources.text_columns == ("sentence", "body")
    assert texts(data_from_files(two_sources, [tmp_path / "new.csv"], column=column).examples) == [read]


def test_sentences_of_the_user_without_a_known_column_name_the_way_out(two_sources, tmp_path):
    (tmp_path / "new.csv").write_text("title,review\na,b\n", "utf-8")
    with pytest.raises(TableError, match=r"new\.csv.*no column 'sentence'.*title, review.*with --column"):
        data_from_files(two_sources, [tmp_path / "new.csv"])
