"""The splits of a config: each file is read once, no file of another split is opened, a holdout strands no label."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_export.config import SourceConfig, TaskConfig
from mtl_export.data import splits
from mtl_export.data.holdout import hash_holdout
from mtl_export.data.labels import task_specs
from mtl_export.data.splits import read_splits
from mtl_export.errors import DataError
from mtl_runtime.errors import TableError

TASKS = {"tone": TaskConfig()}


def write(folder, name, cells):
    """A jsonl file of texts with their tones."""
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"text": text, "tone": tone}) + "\n" for text, tone in cells), "utf-8")
    return str(path)


def texts_of(examples):
    return [example.text for example in examples.rows]


def cells(count, tones="ab"):
    return [(f"sentence {number}", tones[number % len(tones)]) for number in range(count)]


lists = st.lists(st.tuples(st.sampled_from([f"text {n}" for n in range(30)]), st.sampled_from("aabc")), min_size=4)


@given(lists, st.floats(0.05, 0.9))
def test_a_holdout_parts_the_rows_keeps_equal_texts_together_and_leaves_no_label_to_validation_alone(
    tmp_path_factory, lines, share
):
    lines = [*lines, ("x", "a"), ("y", "a"), ("z", "b")]
    source = SourceConfig(train=(write(tmp_path_factory.mktemp("h"), "train", lines),), holdout=share)
    train, validation = read_splits([source], TASKS).values()
    assert sorted(texts_of(train) + texts_of(validation)) == sorted(text for text, _ in lines)
    assert not set(texts_of(train)) & set(texts_of(validation))
    (spec,) = task_specs(TASKS, train, validation)  # which refuses a label that only validation has
    assert spec.labels == tuple(sorted({tone for _, tone in lines}))


def test_a_label_of_one_row_does_not_stop_training_wherever_its_hash_lies(tmp_path):
    for number in range(20):
        source = SourceConfig(train=(write(tmp_path, "train", [*cells(20), (f"rare {number}", "rare")]),), holdout=0.1)
        train, validation = read_splits([source], TASKS).values()
        assert task_specs(TASKS, train, validation)[0].labels == ("a", "b", "rare")
        assert (len(train.rows), len(validation.rows)) == (19, 2)


def test_validation_files_may_still_not_have_a_label_that_training_lacks(tmp_path):
    source = SourceConfig(
        train=(write(tmp_path, "train", cells(4)),), validation=(write(tmp_path, "validation", [("x", "c")]),)
    )
    with pytest.raises(TableError, match="label 'c' occurs in validation and never in training"):
        task_specs(TASKS, *read_splits([source], TASKS).values())


def test_each_file_is_read_once_and_rows_keep_the_order_of_sources_and_files(tmp_path, monkeypatch):
    read = []
    original = splits.read_examples

    def counting(sources, *arguments, **options):
        read.extend(file for source in sources for file in source.files)
        return original(sources, *arguments, **options)

    monkeypatch.setattr(splits, "read_examples", counting)
    first = SourceConfig(train=(write(tmp_path, "one", cells(10)), write(tmp_path, "two", cells(5))), holdout=0.2)
    second = SourceConfig(train=(write(tmp_path, "three", cells(4)),), validation=(write(tmp_path, "four", cells(2)),))
    train, validation = read_splits([second, first], TASKS).values()
    assert sorted(read) == sorted([*first.train, *second.train, *second.validation])
    assert train.files == (*second.train, *first.train)
    assert validation.files == (*second.validation, *first.train)
    assert [row.source for row in train.rows] == sorted(row.source for row in train.rows)
    assert texts_of(validation)[:2] == ["sentence 0", "sentence 1"]
    places = [(row.source, row.path, row.line) for row in train.rows]
    assert places == sorted(places, key=lambda place: (place[0], train.files.index(place[1]), place[2]))


def test_one_split_is_read_without_the_files_of_another(tmp_path):
    source = SourceConfig(train=("no.jsonl",), validation=(write(tmp_path, "v", cells(3)),), test=("no.jsonl",))
    assert texts_of(read_splits([source], TASKS, ["validation"])["validation"]) == [text for text, _ in cells(3)]


def test_a_split_read_alone_has_the_rows_that_training_gave_it(tmp_path):
    source = SourceConfig(
        train=(write(tmp_path, "train", cells(30)),), holdout=0.2, test=(write(tmp_path, "t", cells(1)),)
    )
    together = read_splits([source], TASKS)
    for split in ("train", "validation"):
        assert read_splits([source], TASKS, [split])[split].rows == together[split].rows
    assert texts_of(read_splits([source], TASKS, ["test"])["test"]) == ["sentence 0"]


def test_another_rule_may_divide_the_rows(tmp_path):
    source = SourceConfig(train=(write(tmp_path, "train", cells(8)),), holdout=0.25)
    assert texts_of(read_splits([source], TASKS, holdout=hash_holdout)["validation"]) == ["sentence 6"]


def test_a_bad_row_of_a_file_with_a_holdout_is_listed_once(tmp_path):
    source = SourceConfig(train=(write(tmp_path, "train", [*cells(30), (None, "a")]),), holdout=0.5)
    train, validation = read_splits([source], TASKS, bad_rows="skip").values()
    assert [row.line for row in (*train.skipped, *validation.skipped)] == [31]


def test_rows_of_which_none_can_be_held_out_are_refused(tmp_path):
    source = SourceConfig(train=(write(tmp_path, "train", [("x", "a"), ("y", "b")]),), holdout=0.5)
    with pytest.raises(
        DataError, match=r"no row of .*train\.jsonl can be held out, since each of the 2 is the only one of a"
    ):
        read_splits([source], TASKS)


def test_a_task_of_which_no_row_can_be_held_out_says_why(tmp_path):
    path = tmp_path / "train.jsonl"
    lines = [{"text": text, "tone": tone} for text, tone in cells(10)] + [
        {"text": "x", "topic": "a"},
        {"text": "y", "topic": "b"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    tasks = {**TASKS, "topic": TaskConfig()}
    with pytest.raises(DataError, match=r"task 'topic' has no labelled row in the validation data \(the only row of a"):
        task_specs(tasks, *read_splits([SourceConfig(train=(str(path),), holdout=0.2)], tasks).values())
