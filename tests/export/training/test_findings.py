"""Findings name what is wrong with data or model, with the numbers, and keep quiet where nothing is."""

import csv
import dataclasses
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest

from mtl_export.checkpoint import Evaluation
from mtl_export.config import Config, TaskConfig
from mtl_export.data.examples import Examples
from mtl_export.data.labels import task_specs
from mtl_export.training.findings import find_data_problems, find_model_problems, most_serious_first
from mtl_export.training.majority import measure_majority
from mtl_export.training.training_data import TrainingData
from mtl_runtime.bundle.manifest import Standardization
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.metrics import task_metrics
from mtl_runtime.dataset.targets import encode_labels
from tests.export.tiny import rows as tiny_rows

TONE = {"tone": TaskConfig()}
TAGS = {"tags": TaskConfig(kind="multi_label")}
STARS = {"stars": TaskConfig(kind="regression")}


def examples(labels, task, path, prefix):
    """One example for each label; a pair names its text too."""
    pairs = [label if isinstance(label, list) else [f"{prefix} {line}", label] for line, label in enumerate(labels)]
    rows = tuple(
        Example(text=text, labels={} if label is None else {task: label}, path=f"/data/{path}", line=line)
        for line, (text, label) in enumerate(pairs, 2)
    )
    return Examples(rows=rows, skipped=(), files=(path,))


def data_of(tasks, train, validation):
    """Training data of one task."""
    (task,) = tasks
    splits = (examples(train, task, "train.csv", "t"), examples(validation, task, "validation.csv", "v"))
    return TrainingData(*splits, tasks, task_specs(tasks, *splits))


def metrics_of(data, answers):
    """Metrics of a model that gives these answers to the validation rows: labels, tuples of them, or numbers."""
    (spec,) = data.specs
    targets = encode_labels(spec, [row.labels.get(spec.name) for row in data.validation.rows])
    given = encode_labels(spec, answers)
    logits = {
        "single_label": lambda: np.eye(spec.width)[given],
        "multi_label": lambda: np.where(given == 1, 9.0, -9.0),
        "regression": lambda: _standardized(given, spec)[:, None],
    }[spec.kind]()
    return {spec.name: task_metrics(spec, targets, logits.astype(np.float32))}


def _standardized(numbers, spec):
    scale = spec.standardization
    return numbers if scale is None else (numbers - scale.mean) / scale.deviation


def records_of(data, answers=None, *, probe=None, history=()):
    """The findings about a model that gives ``answers``, by default the right ones."""
    (spec,) = data.specs
    if answers is None:
        answers = [row.labels[spec.name] for row in data.validation.rows]
    about_model = find_model_problems(
        data,
        model=metrics_of(data, answers),
        majority=measure_majority(data),
        probe=metrics_of(data, probe) if probe is not None else {},
        history=history,
    )
    return most_serious_first([*find_data_problems(data), *about_model])


def findings_of(data, answers=None, *, probe=None, history=()):
    """The sentences of the findings."""
    return tuple(finding.text for finding in records_of(data, answers, probe=probe, history=history))


def without_size(findings):
    """The sentences that are not about the number of validation rows."""
    return tuple(finding for finding in findings if "how good it is" not in finding)


def repeat(values, count):
    return list(islice(cycle(values), count))


BALANCED = data_of(TONE, repeat("ab", 400), repeat("ab", 100))


def evaluation(step, score, loss, task="tone"):
    return Evaluation(
        step=step,
        epoch=step / 10,
        training_loss=loss,
        validation_loss={task: loss},
        metrics={task: {"macro_f1": score}},
    )


def test_a_good_model_on_clean_data_has_no_findings():
    assert findings_of(BALANCED, probe=repeat("ab", 100)) == ()
    numbers = data_of(STARS, repeat([1.0, 2.0, 4.0], 300), repeat([1.0, 2.0, 4.0], 60))
    assert findings_of(numbers) == ()
    sets = data_of(TAGS, repeat([("a",), ("a", "b"), ()], 300), repeat([("a",), ("a", "b"), ()], 60))
    assert findings_of(sets) == ()


def test_a_task_that_ended_at_its_majority_is_named_first():
    data = data_of(TONE, repeat("aab", 400), [*"a" * 73, *"b" * 77])
    (first, second) = without_size(findings_of(data, ["a"] * 150))
    assert first == (
        "task tone is right no more often than by always answering a: accuracy 0.487 against 0.487, "
        "macro-F1 0.327 against 0.327 on 150 validation rows"
    )
    assert second == "task tone never answers 1 of the 2 labels that validation has: b (77 rows)"


def test_a_finding_names_its_problem_and_its_task():
    data = data_of(TONE, repeat("aab", 400), [*"a" * 73, *"b" * 77])
    poor, unpredicted, few = records_of(data, ["a"] * 150, probe=["a"] * 150)
    assert (poor.problem, poor.task) == ("no_better_than_majority", "tone")
    assert (unpredicted.problem, unpredicted.task) == ("unpredicted_labels", "tone")
    assert (few.problem, few.task) == ("too_few_validation_rows", "tone")
    shared = data_of(
        TONE, [[f"text {number}", "ab"[number % 2]] for number in range(100)], [["text 0", "a"], ["text 1", "b"]] * 25
    )
    (finding, *_) = records_of(shared)
    assert (finding.problem, finding.task) == ("texts_in_both_splits", None)


def test_149_of_150_answers_that_are_the_majoritys_are_hardly_better():
    data = data_of(TONE, repeat("aab", 400), [*"a" * 73, *"b" * 77])
    (finding,) = without_size(findings_of(data, ["a"] * 149 + ["b"]))
    assert finding.startswith("task tone is hardly better than always answering a: accuracy 0.493 against 0.487")


def test_a_model_that_is_clearly_better_than_the_constant_is_not_named():
    data = data_of(TONE, repeat("aab", 400), repeat("aab", 150))
    answers = [row.labels["tone"] for row in data.validation.rows]
    wrong = [index for index, answer in enumerate(answers) if answer == "b"][10:]
    answers = ["a" if index in wrong else answer for index, answer in enumerate(answers)]
    assert without_size(findings_of(data, answers)) == ()


def test_with_class_weights_macro_f1_decides_because_they_give_up_accuracy():
    weighted = {"tone": TaskConfig(class_weights="balanced")}
    answers = repeat(["a"] * 8 + ["b"] * 2, 200)
    truth = repeat(["a"] * 9 + ["b"], 200)
    data, plain = data_of(weighted, truth * 2, truth), data_of(TONE, truth * 2, truth)
    assert without_size(findings_of(data, repeat(["b"] * 2 + ["a"] * 6 + ["b"] * 2, 200))) == ()
    assert without_size(findings_of(plain, repeat(["b"] * 2 + ["a"] * 6 + ["b"] * 2, 200))) != ()
    assert findings_of(data, ["a"] * 200)[0].startswith("task tone is no better than always answering a")
    assert findings_of(plain, answers)[0].startswith("task tone is right no more often")


def test_a_multi_label_task_that_gives_every_label_is_no_better_than_a_constant():
    data = data_of(TAGS, repeat([("a",), ("a", "b"), ()], 300), repeat([("a",), ("a", "b"), ()], 300))
    assert findings_of(data, [("a", "b")] * 300)[0] == (
        "task tags is no better than always answering every label: macro-F1 0.650 against 0.650 on 300 validation rows"
    )


def test_a_regression_that_is_worse_than_its_mean_is_named_in_its_own_unit():
    data = data_of(STARS, repeat([1000.0, 3000.0], 300), repeat([1000.0, 3000.0], 60))
    (finding,) = findings_of(data, repeat([3000.0, 1000.0], 60))
    assert finding == (
        "task stars is no better than always answering the mean: mean squared error 4e+06 against 1e+06, "
        "mean absolute error 2000 against 1000 on 60 validation rows"
    )


def test_a_label_that_is_never_answered_is_named_with_its_rows():
    data = data_of(TONE, repeat("abc", 400), repeat("abc", 600))
    answers = ["a" if row.labels["tone"] == "c" else row.labels["tone"] for row in data.validation.rows]
    assert findings_of(data, answers) == (
        "task tone never answers 1 of the 3 labels that validation has: c (200 rows)",
    )
    sets = data_of(TAGS, repeat([("a",), ("b",), ()], 300), repeat([("a",), ("b",), ()], 300))
    answers = [("a",) if "a" in row.labels["tags"] else () for row in sets.validation.rows]
    assert "task tags never answers 1 of the 2 labels that validation has: b (100 rows)" in findings_of(sets, answers)


@pytest.mark.parametrize(("rare", "named"), [("c", False), ("cc", False), ("cd", False), ("ccc", True), ("cde", True)])
def test_one_or_two_rows_that_a_good_model_misses_are_no_finding(rare, named):
    data = data_of(TONE, repeat("ab", 400) + ["c", "d", "e"] * 2, [*repeat("ab", 100), *rare])
    answers = ["a" if label in "cde" else label for label in (row.labels["tone"] for row in data.validation.rows)]
    assert any("never answers" in finding for finding in findings_of(data, answers)) is named


def test_few_validation_rows_alone_do_not_make_a_good_model_hardly_better():
    data = data_of(TONE, repeat("abc", 120), repeat("abc", 13))
    truth = [row.labels["tone"] for row in data.validation.rows]
    answers = ["a" if index in (1, 4, 7, 2, 5, 8) else label for index, label in enumerate(truth)]
    (finding,) = findings_of(data, answers)
    assert "13 validation rows cannot tell" in finding


def test_a_task_that_the_probe_does_better_is_named_and_one_within_half_a_point_is_not():
    right = repeat("ab", 100)
    worse = ["b" if index < 20 and answer == "a" else answer for index, answer in enumerate(right)]
    assert without_size(findings_of(BALANCED, worse, probe=right)) == (
        "task tone is worse than a linear probe on the frozen encoder: macro-F1 0.899 against 1.000; "
        "freeze_encoder = true trains such a model",
    )
    assert findings_of(BALANCED, right, probe=worse) == ()
    assert without_size(findings_of(BALANCED, worse, probe=worse)) == ()


def test_few_rows_that_do_not_tell_a_model_from_the_probe_are_no_reason_to_freeze_the_encoder():
    right = repeat("ab", 12)
    few, worse = data_of(TONE, repeat("ab", 400), right), ["b", *right[1:]]
    (finding,) = (text for text in findings_of(few, worse, probe=right) if "probe" in text)
    assert finding.endswith("against 1.000; 12 validation rows cannot tell them apart")


def test_validation_texts_that_are_training_texts_are_counted_with_those_of_another_label():
    train = [[f"text {number}", "ab"[number % 2]] for number in range(100)]
    validation = [[text, "a" if number < 20 else label] for number, (text, label) in enumerate(train[:40])]
    (finding,) = without_size(findings_of(data_of(TONE, train, validation)))
    assert finding == (
        "40 of 40 validation texts are training texts too, 10 of them with another label: the figures show what the "
        "model remembers, not how it answers new texts"
    )


def test_a_single_equal_text_among_hundreds_is_no_finding():
    train = [[f"text {number}", "ab"[number % 2]] for number in range(400)]
    validation = [["text 0", "a"], *([f"new {number}", "ab"[number % 2]] for number in range(199))]
    assert findings_of(data_of(TONE, train, validation)) == ()


def test_equal_training_texts_with_different_labels_are_counted_and_two_are_shown():
    train = [
        *([f"text {number}", "ab"[number % 2]] for number in range(96)),
        ["same", "a"],
        ["same", "a"],
        ["same", "b"],
    ]
    (finding,) = findings_of(data_of(TONE, train, repeat("ab", 100)))
    assert finding == (
        "task tone: 3 of 99 training rows have a text that another row labels differently, such as train.csv, "
        "line 98 (a) and train.csv, line 100 (b)"
    )
    sets = data_of(TAGS, [*repeat([("a",), ("b",)], 50), ["x", ("a",)], ["x", ()]], repeat([("a",), ("b",)], 60))
    assert findings_of(sets)[0].endswith("line 52 (a) and train.csv, line 53 (no label)")


def test_equal_texts_with_different_numbers_contradict_nothing():
    train = [*repeat([1.0, 2.0], 100), ["same", 1.0], ["same", 2.0]]
    assert findings_of(data_of(STARS, train, repeat([1.0, 2.0], 60))) == ()


def test_labels_of_one_training_row_and_labels_that_a_split_lacks_are_named():
    tasks = {"tone": TaskConfig(labels=("a", "b", "c", "d", "e"))}
    data = data_of(tasks, [*repeat("ab", 100), "c", "d", "d"], repeat("ab", 100))
    assert findings_of(data) == (
        "task tone: label e has no training row, so that nothing can be learnt about it",
        "task tone: label c has a single training row, too few to learn from",
        "task tone: label d has no validation row, so that nothing checks its answers",
    )


def test_of_many_labels_five_are_named():
    train = [*repeat("ab", 400), *(f"rare{number}" for number in range(8))]
    assert findings_of(data_of(TONE, train, repeat("ab", 100))) == (
        "task tone: each of 8 labels (rare0, rare1, rare2, rare3, rare4 and 3 more) has a single training row, too few "
        "to learn from",
    )


def test_two_validation_rows_cannot_tell_how_good_a_model_is():
    assert findings_of(data_of(TONE, repeat("ab", 18), ["a", "b"])) == (
        "task tone: 2 validation rows cannot tell how good it is: an accuracy of 1.00 on them means 0.34 to 1.00 "
        "(95 % interval); label more rows, validate on more of them (holdout = 0.2), or keep some back for mtl "
        "evaluate",
    )
    assert findings_of(data_of(STARS, [1.0, 2.0, 3.0], [1.0, 2.0])) == (
        "task stars: 2 validation rows cannot tell how good it is; label more rows, validate on more of them "
        "(holdout = 0.2), or keep some back for mtl evaluate",
    )


@pytest.mark.parametrize(
    ("rows", "right", "enough"), [(40, 40, False), (50, 50, True), (100, 70, False), (100, 98, True), (400, 280, True)]
)
def test_how_many_rows_tell_depends_on_what_was_measured(rows, right, enough):
    data = data_of(TONE, repeat("ab", 400), repeat("ab", rows))
    truth = [row.labels["tone"] for row in data.validation.rows]
    answers = [label if index < right else "ab"[label == "a"] for index, label in enumerate(truth)]
    assert any("how good it is" in finding for finding in findings_of(data, answers)) is not enough


def test_a_perfect_score_on_few_rows_and_a_fair_one_on_some_are_told_apart():
    (few,) = findings_of(data_of(TONE, repeat("ab", 400), repeat("ab", 40)))
    assert "40 validation rows cannot tell how good it is: an accuracy of 1.00 on them means 0.91 to 1.00" in few
    data = data_of(TONE, repeat("ab", 400), repeat("ab", 100))
    answers = [label if index < 90 else "ab"[label == "a"] for index, label in enumerate(repeat("ab", 100))]
    (some,) = findings_of(data, answers)
    assert "100 validation rows tell only roughly how good it is: an accuracy of 0.90" in some


def test_a_score_that_rises_to_the_end_while_the_loss_falls_asks_for_more_epochs():
    rising = [evaluation(10, 0.5, 0.9), evaluation(20, 0.6, 0.7), evaluation(30, 0.72, 0.6)]
    assert findings_of(BALANCED, history=rising) == (
        "the validation score was still rising at the last evaluation: 0.600 at step 20, 0.720 at step 30; more epochs "
        "are likely to help",
    )


@pytest.mark.parametrize(
    "history",
    [
        [],
        [evaluation(10, 0.7, 0.6)],
        [evaluation(10, 0.7, 0.6), evaluation(20, 0.705, 0.55)],  # by less than a point
        [evaluation(10, 0.8, 0.5), evaluation(20, 0.7, 0.6), evaluation(30, 0.75, 0.5)],  # and was higher before
        [evaluation(10, 0.6, 0.5), evaluation(20, 0.7, 0.6)],  # by chance: the loss rises
    ],
)
def test_a_score_that_settled_is_no_finding(history):
    assert findings_of(BALANCED, history=history) == ()


def test_a_column_of_free_text_is_not_taken_for_labels():
    data = data_of(TONE, [*(f"comment {number}" for number in range(60)), *repeat("ab", 40)], repeat("ab", 100))
    assert findings_of(data)[0] == (
        "task tone has 62 labels in 100 training rows: column 'tone' looks like free text or numbers, not like labels"
    )


def test_a_column_of_labels_is_not_taken_for_texts():
    train = [[word, "ab"[word == "dog"]] for word in repeat(["cat", "dog", "cow"], 90)]
    assert findings_of(data_of(TONE, train, repeat("ab", 100)))[0] == (
        "90 training rows have only 3 different texts: the column of texts looks like a column of labels"
    )


def test_of_many_groups_of_twins_five_are_named():
    names = [f"label {letter}" for letter in "abcdefg"]
    train = repeat([*names, *map(str.upper, names)], 280)
    (finding,) = findings_of(data_of(TONE, train, repeat(train, 140)))
    assert finding.count(" and 'LABEL") == 5
    assert "; and 2 further groups; fold_labels = true in [tasks.tone] makes each group one" in finding


def test_few_shot_data_of_many_labels_is_no_free_text():
    names = [f"intent{number}" for number in range(150)]
    assert findings_of(data_of(TONE, repeat(names, 1200), repeat(names, 300))) == ()


def test_the_best_constant_of_training_is_measured_on_validation():
    data = data_of(TONE, [*"aab", None], [*"abbb", None])
    metrics = measure_majority(data)["tone"]
    assert (metrics.rows, metrics.values["accuracy"]) == (4, 0.25)
    assert metrics.confusion.to_matrix().tolist() == [[1, 0], [3, 0]]
    tags = {"tags": TaskConfig(kind="multi_label", labels=("a", "b", "unseen"))}
    metrics = measure_majority(data_of(tags, [("a",), ("b",), ()], [("a",), ("a", "b"), ()]))["tags"]
    assert (metrics.values["accuracy"], metrics.values["macro_f1"]) == (1 / 3, pytest.approx((4 / 5 + 1 / 2) / 2))
    metrics = measure_majority(data_of(STARS, [1.0, 2.0, 6.0], [3.0, 5.0]))["stars"]
    assert metrics.values == {"mse": 2.0, "mae": 1.0, "pearson": 0.0}


def test_the_constant_of_a_standardized_regression_is_in_its_own_unit():
    data = data_of(STARS, [1000.0, 3000.0], [2000.0, 5000.0])
    spec = dataclasses.replace(data.specs[0], standardization=Standardization(mean=2000.0, deviation=1000.0))
    assert measure_majority(dataclasses.replace(data, specs=(spec,)))["stars"].values["mae"] == 1500.0


def test_the_demos_kind_of_data_has_no_findings(tmp_path):
    """Sentences with several tasks of every kind, some of whose labels are missing."""
    for split, count, seed in (("train", 2000, 1), ("validation", 300, 2)):
        records = [
            {**row, "text": f"{row['text']} {split} {line}"}
            for line, row in enumerate(tiny_rows(count, seed=seed, missing=0.1))
        ]
        with (tmp_path / f"{split}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(records[0]))
            writer.writeheader()
            writer.writerows(records)
    tasks = {"sentiment": {}, "topic": {}, "tags": {"kind": "multi_label"}, "stars": {"kind": "regression"}}
    files = {split: f"{split}.csv" for split in ("train", "validation")}
    config = Config.from_dict({"tasks": tasks, "data": files}, folder=Path(tmp_path))
    data = TrainingData.read(config, config.tasks)
    model = {}
    for spec in data.specs:
        one = dataclasses.replace(data, specs=(spec,))
        answers = [row.labels.get(spec.name, one.validation.rows[0].labels[spec.name]) for row in one.validation.rows]
        model |= metrics_of(one, answers)
    assert find_data_problems(data) == ()
    assert find_model_problems(data, model=model, majority=measure_majority(data), probe=model, history=()) == ()
