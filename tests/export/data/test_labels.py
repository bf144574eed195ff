"""Examples to TaskSpecs: which labels a task has, and data that cannot train it."""

import pytest

from mtl_export.config import TaskConfig
from mtl_export.data.examples import Examples
from mtl_export.data.labels import task_specs
from mtl_export.errors import ConfigError, DataError
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.label_cells import label_names
from mtl_runtime.errors import TableError


def examples(*labels, task="tone", path="train.csv"):
    """One example for each label; None leaves it unlabelled."""
    rows = tuple(
        Example(text="x", labels={} if label is None else {task: label}, source=0, path=path, line=line)
        for line, label in enumerate(labels, 2)
    )
    return Examples(rows=rows, skipped=(), files=(path,))


def specs_of(task, train, validation):
    return task_specs({"tone": task}, examples(*train), examples(*validation, path="validation.csv"))[0]


def test_labels_are_those_of_the_training_data_sorted():
    spec = specs_of(TaskConfig(), ["b", None, "c", "a", "b"], ["a", None])
    assert (spec.name, spec.kind, spec.labels, spec.thresholds) == ("tone", "single_label", ("a", "b", "c"), ())


def test_labels_of_the_config_keep_their_order_even_where_training_lacks_one():
    task = TaskConfig(labels=("c", "a", "b"))
    assert specs_of(task, ["a", "b"], ["a"]).labels == ("c", "a", "b")


def test_a_multi_label_task_has_a_threshold_of_one_half_for_each_label():
    spec = specs_of(TaskConfig(kind="multi_label"), [("b", "a"), (), ("c",)], [()])
    assert spec.labels == ("a", "b", "c")
    assert spec.thresholds == (0.5, 0.5, 0.5)


def test_a_regression_has_no_labels():
    spec = specs_of(TaskConfig(kind="regression"), [1.0, 1.0], [7.5])
    assert (spec.labels, spec.thresholds, spec.width) == ((), (), 1)


def test_specs_follow_the_order_of_the_config():
    tasks = {"zeta": TaskConfig(kind="regression"), "alpha": TaskConfig(kind="regression")}
    rows = tuple(Example(text="x", labels={"alpha": 1.0, "zeta": 2.0}, source=0, path="t", line=2) for _ in range(2))
    data = Examples(rows=rows, skipped=(), files=("t",))
    assert [spec.name for spec in task_specs(tasks, data, data)] == ["zeta", "alpha"]


@pytest.mark.parametrize("task", [TaskConfig(), TaskConfig(labels=("a", "b"))])
def test_fewer_than_two_classes_in_training_are_refused(task):
    with pytest.raises(DataError, match=r"task 'tone' has fewer than 2 classes .*column 'tone': a\)"):
        specs_of(task, ["a", "a"], ["a"])


def test_a_multi_label_task_whose_rows_have_no_label_is_refused():
    with pytest.raises(DataError, match=r"has fewer than 1 classes in the training data .*none"):
        specs_of(TaskConfig(kind="multi_label"), [(), ()], [()])


def test_a_multi_label_task_may_have_one_label():
    assert specs_of(TaskConfig(kind="multi_label"), [("a",), ()], [()]).labels == ("a",)


@pytest.mark.parametrize(
    ("train", "validation", "split", "file"),
    [
        ([None, None], ["a"], "training", "train.csv"),
        (["a", "b"], [None], "validation", "validation.csv"),
    ],
)
def test_a_task_without_any_label_in_a_split_names_column_and_files(train, validation, split, file):
    with pytest.raises(DataError) as caught:
        specs_of(TaskConfig(column="mood"), train, validation)
    assert str(caught.value) == f"task 'tone' has no labelled row in the {split} data (column 'mood' of {file})"


def test_one_unlabelled_task_among_others_is_found():
    rows = tuple(Example(text="x", labels={"tone": label}, source=0, path="t", line=2) for label in "ab")
    data = Examples(rows=rows, skipped=(), files=("t",))
    with pytest.raises(DataError, match="task 'topic' has no labelled row"):
        task_specs({"tone": TaskConfig(), "topic": TaskConfig()}, data, data)


@pytest.mark.parametrize(
    ("kind", "train", "validation"),
    [("single_label", ["a", "b"], ["a", None, "c"]), ("multi_label", [("a", "b")], [("a",), (), ("b", "c")])],
)
def test_a_label_of_validation_that_training_never_has_names_file_line_and_column(kind, train, validation):
    with pytest.raises(TableError) as caught:
        specs_of(TaskConfig(kind=kind, column="mood"), train, validation)
    assert str(caught.value) == (
        "validation.csv, line 4, column 'mood': label 'c' occurs in validation and never in training; "
        "training has: a, b"
    )


def test_class_weights_must_fit_the_labels_of_the_data():
    with pytest.raises(ConfigError, match=r"tasks\.tone\.class_weights: needs exactly one weight for each of a, b"):
        specs_of(TaskConfig(class_weights={"a": 1.0, "x": 2.0}), ["a", "b"], ["a"])
    assert specs_of(TaskConfig(class_weights={"a": 1.0, "b": 2.0}), ["a", "b"], ["a"]).labels == ("a", "b")


@pytest.mark.parametrize("name", ["Tone", "my-task", "1st", "", "a.b"])
def test_a_malformed_task_name_is_a_config_error(name):
    train = examples("a", "b", task=name)
    with pytest.raises(ConfigError, match="is no task name; use a-z, 0-9, _"):
        task_specs({name: TaskConfig()}, train, train)


def test_the_names_in_a_label_are_one_many_or_none():
    assert label_names("a") == ("a",)
    assert label_names(("a", "b")) == ("a", "b")
    assert label_names(()) == ()
    assert label_names(2.5) == ()


def test_numbers_are_ordered_by_value_and_words_by_spelling():
    from mtl_export.data.labels import _label_order

    assert sorted(["10", "2", "b", "-1", "a"], key=_label_order) == ["-1", "2", "10", "a", "b"]
    assert sorted(["10.0", "2.5", "-1.5", "3"], key=_label_order) == ["-1.5", "2.5", "3", "10.0"]
