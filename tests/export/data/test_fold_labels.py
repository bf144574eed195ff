"""With fold_labels twins are one label, spelled as most training rows spell it."""

import json

from mtl_export.config import Config
from mtl_export.training.training_data import TrainingData

ROWS = [("a b", "Bar"), ("c d", "bar"), ("e f", "bar"), ("g h", "foo"), ("i j", "FOO"), ("k l", "FOO")]


def read(folder, task, rows=ROWS, validation=(("x y", "BAR"), ("z", "foo")), **data):
    for name, split in (("train", rows), ("validation", validation)):
        lines = (json.dumps({"text": text, "tone": tone}) + "\n" for text, tone in split)
        (folder / f"{name}.jsonl").write_text("".join(lines))
    data = {"train": "train.jsonl", "validation": "validation.jsonl"} | data
    if data.get("holdout"):
        del data["validation"]
    config = Config.from_dict({"tasks": {"tone": task}, "data": data}, folder=folder)
    return TrainingData.read(config, config.tasks)


def labels_of(examples):
    return [row.labels.get("tone") for row in examples.rows]


def test_the_most_frequent_spelling_of_training_wins_in_both_splits(tmp_path, caplog):
    with caplog.at_level("INFO", "mtl_export"):
        data = read(tmp_path, {"fold_labels": True})
    assert data.specs[0].labels == ("FOO", "bar")
    assert labels_of(data.train) == ["bar", "bar", "bar", "FOO", "FOO", "FOO"]
    assert labels_of(data.validation) == ["bar", "FOO"]
    assert "task tone: 'Bar' (1 row) read as 'bar'" in caplog.messages


def test_a_label_that_the_config_names_wins_over_the_data(tmp_path):
    data = read(tmp_path, {"fold_labels": True, "labels": ["Foo", "Bar"]})
    assert data.specs[0].labels == ("Foo", "Bar")
    assert labels_of(data.validation) == ["Bar", "Foo"]


def test_twins_in_one_multi_label_cell_are_given_once(tmp_path):
    rows = [("a", ["film", "Film"]), ("b", ["film"]), ("c", [])]
    data = read(tmp_path, {"kind": "multi_label", "fold_labels": True}, rows, [("d", ["FILM"])])
    assert labels_of(data.train) == [("film",), ("film",), ()]
    assert labels_of(data.validation) == [("film",)]


def test_a_holdout_is_divided_by_the_folded_labels(tmp_path):
    rows = [(f"text {number}", ("Bar", "bar", "foo")[number % 3]) for number in range(30)]
    data = read(tmp_path, {"fold_labels": True}, [*rows, ("alone", "BAR")], holdout=0.2)
    assert data.specs[0].labels == ("Bar", "foo")
    assert sorted(set(labels_of(data.validation))) == ["Bar", "foo"]


def test_how_labels_are_read_stays_with_the_task(tmp_path):
    (spec,) = read(tmp_path, {"fold_labels": True, "missing": ["N/A"]}).specs
    assert (spec.fold_labels, spec.missing) == (True, ("N/A",))


def test_without_the_option_twins_stay_apart(tmp_path):
    assert read(tmp_path, {}, validation=[("x", "bar")]).specs[0].labels == ("Bar", "FOO", "bar", "foo")
