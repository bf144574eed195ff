"""Labelled rows against a real bundle's answers: scores, labels, confusions, intervals and wrong answers."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime import load
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.intervals import wilson_interval
from mtl_runtime.dataset.metrics import task_metrics
from mtl_runtime.errors import MtlError, TableError, UnknownVariantError
from mtl_runtime.evaluation.confident_answers import confident_answers
from mtl_runtime.evaluation.evaluate import evaluate
from mtl_runtime.evaluation.metric_intervals import metric_intervals
from mtl_runtime.evaluation.wrong_answers_file import write_wrong_answers

TONE = TaskSpec(name="tone", kind="single_label", labels=("a", "b"))
STARS = TaskSpec(name="stars", kind="regression")
# The model calls the first and the last positive, the second and the third negative.
ROWS = (
    ("a great soup", "positive", "food", "9"),
    ("awful bread", "negative", "food", "-3"),
    ("a bad match", "positive", "sport", ""),
    ("good", "positive", "money", "7"),
    ("the bank was great", "", "", "9"),
)


@pytest.fixture
def labelled(tmp_path):
    file = tmp_path / "unseen.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "sentiment", "topics", "stars"), *ROWS])
    return file


@pytest.fixture
def report(bundle_path, labelled):
    return evaluate(bundle_path, labelled, variant="cpu-fp32", threads=1)


def test_each_task_is_measured_on_the_rows_that_have_its_label(report):
    assert report.rows == 5
    assert {name: task.rows for name, task in report.tasks.items()} == {"sentiment": 4, "topics": 4, "stars": 4}


def test_a_share_has_its_wilson_interval_and_the_majoritys_share_beside_it(report):
    accuracy = report.tasks["sentiment"].scores["accuracy"]
    assert accuracy.value == 0.75
    assert (accuracy.low, accuracy.high) == wilson_interval(3, 4)
    assert accuracy.majority == 0.75  # always positive


def test_labels_have_precision_recall_and_rows(report):
    negative, neutral, positive = report.tasks["sentiment"].labels
    assert (negative.rows, negative.precision, negative.recall) == (1, 0.5, 1.0)
    assert (neutral.rows, neutral.precision, neutral.recall) == (0, None, None)
    assert (positive.rows, positive.precision, positive.recall) == (3, 1.0, pytest.approx(2 / 3))


def test_confusions_name_truth_and_answer(report):
    (pair,) = report.tasks["sentiment"].confusions
    assert (pair.truth, pair.answer, pair.rows) == ("positive", "negative", 1)


def test_wrong_answers_are_sentences_with_their_line_and_the_probability_of_the_answer(report, bundle_path):
    (wrong,) = report.tasks["sentiment"].wrong
    answer = load(bundle_path, variant="cpu-fp32", threads=1)("a bad match")["sentiment"]
    assert (wrong.text, wrong.line, wrong.truth, wrong.answer) == ("a bad match", 4, "positive", answer.label)
    assert wrong.probability == pytest.approx(answer.probability)


def test_a_wrong_set_of_labels_has_the_probability_of_its_worst_decision(report, bundle_path):
    (wrong,) = report.tasks["topics"].wrong
    probabilities = load(bundle_path, variant="cpu-fp32", threads=1)("good")["topics"].probabilities
    assert (wrong.truth, wrong.answer) == ("money", "")
    assert wrong.probability == pytest.approx(1 - probabilities["money"])


def test_a_regression_lists_its_largest_errors_first_and_no_probability(report):
    wrong = report.tasks["stars"].wrong
    sizes = [abs(answer.error) for answer in wrong]
    assert sizes == sorted(sizes, reverse=True)
    assert {answer.probability for answer in wrong} == {None}
    assert report.tasks["stars"].scores["mae"].value == pytest.approx(np.mean(sizes))


def test_a_task_without_a_column_is_left_out_and_one_without_labels_has_no_rows(bundle_path, tmp_path):
    file = tmp_path / "some.csv"
    file.write_text("text,sentiment,stars\ngood,positive,\n")
    tasks = evaluate(bundle_path, file, threads=1).tasks
    assert {name: task.rows for name, task in tasks.items()} == {"sentiment": 1, "stars": 0}
    assert tasks["stars"].scores == {}


def test_a_file_without_any_label_is_an_error_and_not_a_perfect_score(bundle_path, tmp_path):
    file = tmp_path / "bare.csv"
    file.write_text("text,sentiment\ngood,\n")
    with pytest.raises(TableError, match=r"bare.csv.*no row has a label of sentiment"):
        evaluate(bundle_path, file)


def test_a_label_that_the_bundle_does_not_know_is_named_with_its_line(bundle_path, tmp_path):
    file = tmp_path / "other.csv"
    file.write_text("text,sentiment\ngood,positive\nbad,furious\n")
    with pytest.raises(TableError, match=r"line 3.*furious"):
        evaluate(bundle_path, file)


def test_the_variant_that_is_named_answers(bundle_path, labelled):
    assert evaluate(bundle_path, labelled, variant="cpu-int8").variant == "cpu-int8"
    with pytest.raises(UnknownVariantError):
        evaluate(bundle_path, labelled, variant="cpu-int4")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_all_wrong_answers_are_written_as_a_table(report, tmp_path, suffix):
    target = tmp_path / f"wrong.{suffix}"
    count = write_wrong_answers(report, target, replace=False)
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream)) if suffix == "csv" else list(map(json.loads, stream))
    assert count == len(rows) == sum(len(task.wrong) for task in report.tasks.values())
    assert list(rows[0]) == ["task", "line", "text", "truth", "answer", "probability", "error"]
    assert [rows[0][name] for name in ("task", "text", "truth", "answer")] == [
        "sentiment",
        "a bad match",
        "positive",
        "negative",
    ]
    with pytest.raises(MtlError, match="exists already"):
        write_wrong_answers(report, target, replace=False)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=60))
def test_right_answers_are_counted_from_the_stated_probability_on(pairs):
    right, probabilities = np.array([pair[0] for pair in pairs], bool), np.array([pair[1] for pair in pairs])
    points = confident_answers(right, probabilities)
    assert bool(points) == (len(pairs) >= 20)
    for point in points:
        sure = probabilities >= point.probability
        assert point.share == sure.mean() >= 0.5
        assert point.accuracy == right[sure].mean()
        assert point.accuracy_below == (None if sure.all() else right[~sure].mean())


def intervals(task, targets, logits):
    return metric_intervals(task, targets, logits, task_metrics(task, targets, logits))


def test_metrics_without_a_formula_have_intervals_by_resampling_rows():
    random = np.random.default_rng(1)
    targets = random.integers(2, size=200)
    answers = np.where(random.random(200) < 0.2, 1 - targets, targets)
    found = intervals(TONE, targets, np.eye(2, dtype=np.float32)[answers])
    low, high = found["macro_f1"]
    # Both labels are as frequent, so that macro-F1 varies as accuracy does.
    assert (low, high) == pytest.approx(found["accuracy"], abs=0.02)


def test_the_interval_of_a_mean_error_is_about_two_standard_errors():
    errors = np.random.default_rng(2).normal(size=400)
    low, high = intervals(STARS, np.zeros(400), errors[:, None].astype(np.float32))["mae"]
    standard_error = np.abs(errors).std() / 20
    assert (low + high) / 2 == pytest.approx(np.abs(errors).mean(), abs=0.2 * standard_error)
    assert high - low == pytest.approx(2 * 1.96 * standard_error, rel=0.1)


def test_a_perfect_score_has_the_interval_of_a_share_and_none_by_resampling():
    targets = np.array([0, 1] * 20)
    found = intervals(TONE, targets, np.eye(2, dtype=np.float32)[targets])
    assert found == {"accuracy": wilson_interval(40, 40)}
    assert found["accuracy"][0] == pytest.approx(0.912, abs=5e-4)
