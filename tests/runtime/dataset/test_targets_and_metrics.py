"""Labels to numbers, and numbers to metrics, against references written out the long way."""

import itertools
import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import HEADLINE, LabelResult, TaskMetrics, best_thresholds, score, task_metrics
from mtl_runtime.dataset.targets import MISSING, encode_labels, has_label
from mtl_runtime.inference.decode import compute_probabilities, decode

TONE = TaskSpec(name="tone", kind="single_label", labels=("a", "b", "c"))
TAGS = TaskSpec(name="tags", kind="multi_label", labels=("x", "y"), thresholds=(0.5, 0.8))
STARS = TaskSpec(name="stars", kind="regression")

numbers = st.floats(-20, 20, width=32)


def one_hot(predicted, width=3):
    """Logits whose largest entry is at ``predicted``."""
    return np.eye(width, dtype=np.float32)[predicted] * 4 - 1


def f1(true, predicted):
    """F1 of two lists of bools, from its definition; None where neither has a true one."""
    both = sum(t and p for t, p in zip(true, predicted, strict=True))
    if not any(true) and not any(predicted):
        return None
    precision = both / sum(predicted) if any(predicted) else 0.0
    recall = both / sum(true) if any(true) else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_single_labels_become_indices_and_missing_ones_a_mark():
    targets = encode_labels(TONE, ["b", None, "a", "c"])
    assert targets.dtype == np.int64
    assert targets.tolist() == [1, MISSING, 0, 2]
    assert has_label(targets).tolist() == [True, False, True, True]


def test_label_sets_become_rows_of_zeros_and_ones_and_missing_ones_nan():
    targets = encode_labels(TAGS, [("y",), (), None, ("y", "x")])
    assert targets.dtype == np.float32
    np.testing.assert_array_equal(targets, [[0, 1], [0, 0], [np.nan, np.nan], [1, 1]])
    assert has_label(targets).tolist() == [True, True, False, True]


def test_numbers_stay_and_missing_ones_become_nan():
    targets = encode_labels(STARS, [2.5, None, 0.0])
    assert targets.dtype == np.float64
    np.testing.assert_array_equal(targets, [2.5, np.nan, 0.0])
    assert has_label(targets).tolist() == [True, False, True]


@pytest.mark.parametrize(("task", "shape"), [(TONE, (0,)), (TAGS, (0, 2)), (STARS, (0,))])
def test_no_rows_give_empty_targets_and_metrics_without_rows(task, shape):
    targets = encode_labels(task, [])
    assert targets.shape == shape
    metrics = task_metrics(task, targets, np.zeros((0, task.width), np.float32))
    assert metrics.rows == 0
    assert all(value == 0.0 for value in metrics.values.values())


def test_accuracy_confusion_macro_f1_and_the_majoritys_accuracy_by_hand():
    true = ["a", "a", "a", "b", "b", "c", None]
    predicted = [0, 0, 1, 1, 0, 1, 2]
    metrics = task_metrics(TONE, encode_labels(TONE, true), one_hot(predicted))
    assert metrics.rows == 6
    assert metrics.confusion.to_matrix().tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]
    # a: precision 2/3, recall 2/3; b: precision 1/3, recall 1/2; c: never predicted
    assert metrics.values == pytest.approx({"accuracy": 3 / 6, "macro_f1": (2 / 3 + 0.4 + 0) / 3})
    assert metrics.majority_accuracy == 3 / 6


def test_macro_f1_leaves_out_a_class_that_is_neither_true_nor_predicted():
    metrics = task_metrics(TONE, encode_labels(TONE, ["a", "b"]), one_hot([0, 1]))
    assert metrics.values["macro_f1"] == 1.0
    metrics = task_metrics(TONE, encode_labels(TONE, ["a", "b"]), one_hot([0, 2]))
    assert metrics.values["macro_f1"] == pytest.approx(1 / 3)


classes = st.lists(st.tuples(st.none() | st.sampled_from(TONE.labels), st.integers(0, 2)), min_size=1, max_size=20)


@given(classes)
def test_single_label_metrics_equal_their_definitions(pairs):
    true = [label for label, _ in pairs]
    logits = one_hot([index for _, index in pairs])
    metrics = task_metrics(TONE, encode_labels(TONE, true), logits)
    known = [(label, TONE.labels[index]) for label, index in pairs if label is not None]
    assert metrics.rows == len(known)
    matrix = metrics.confusion.to_matrix()
    for row, column in itertools.product(range(3), range(3)):
        expected = sum(pair == (TONE.labels[row], TONE.labels[column]) for pair in known)
        assert matrix[row, column] == expected
    scores = [f1([t == name for t, _ in known], [p == name for _, p in known]) for name in TONE.labels]
    seen = [value for value in scores if value is not None]
    assert metrics.values["macro_f1"] == pytest.approx(statistics.fmean(seen) if seen else 0.0)
    assert metrics.values["accuracy"] == pytest.approx(sum(t == p for t, p in known) / len(known) if known else 0.0)
    most = max(sum(t == name for t, _ in known) for name in TONE.labels)
    assert metrics.majority_accuracy == pytest.approx(most / len(known) if known else 0.0)


def test_multi_label_metrics_by_hand_at_the_tasks_thresholds():
    # a logit of 1 is a probability of 0.73: over the threshold of x, under that of y
    logits = np.array([[1, 1], [1, 3], [-1, 3], [1, -1], [5, 5]], np.float32)
    targets = encode_labels(TAGS, [("x",), ("x", "y"), ("x",), (), None])
    metrics = task_metrics(TAGS, targets, logits)
    # x: true 1 1 1 0, predicted 1 1 0 1; y: true 0 1 0 0, predicted 0 1 1 0
    assert metrics.rows == 4
    assert metrics.confusion is metrics.majority_accuracy is None
    assert metrics.values == pytest.approx(
        {"accuracy": 2 / 4, "macro_f1": (2 / 3 + 2 / 3) / 2, "micro_f1": 2 * 3 / (4 + 5)}
    )
    assert metrics.labels == (LabelResult(rows=3, predicted=3, correct=2), LabelResult(rows=1, predicted=2, correct=1))


label_rows = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.none() | st.sets(st.sampled_from(TAGS.labels)), min_size=n, max_size=n),
        arrays(np.float32, (n, 2), elements=numbers),
    )
)


@given(label_rows)
def test_multi_label_metrics_equal_their_definitions_on_the_decoded_answers(data):
    sets, logits = data
    metrics = task_metrics(TAGS, encode_labels(TAGS, [None if s is None else tuple(s) for s in sets]), logits)
    answers = [set(answer.labels) for answer in decode(TAGS, logits)]
    pairs = [(true, predicted) for true, predicted in zip(sets, answers, strict=True) if true is not None]
    scores = [f1([name in t for t, _ in pairs], [name in g for _, g in pairs]) for name in TAGS.labels]
    seen = [value for value in scores if value is not None]
    flat = f1(
        [name in t for t, _ in pairs for name in TAGS.labels], [name in g for _, g in pairs for name in TAGS.labels]
    )
    assert metrics.rows == len(pairs)
    assert metrics.values["accuracy"] == pytest.approx(sum(t == g for t, g in pairs) / len(pairs) if pairs else 0)
    assert metrics.values["macro_f1"] == pytest.approx(statistics.fmean(seen) if seen else 0.0)
    assert metrics.values["micro_f1"] == pytest.approx(flat or 0.0)


def test_regression_metrics_by_hand():
    logits = np.array([[1], [3], [5], [99]], np.float32)
    metrics = task_metrics(STARS, encode_labels(STARS, [1.0, 2.0, 6.0, None]), logits)
    assert metrics.rows == 3
    # deviations -2 -1 3 and -2 0 2: covariance 10, variances 14 and 8
    assert metrics.values == pytest.approx({"mse": 2 / 3, "mae": 2 / 3, "pearson": 10 / math.sqrt(14 * 8)})


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=15))
def test_pearson_equals_its_definition_and_is_zero_where_a_side_is_constant(pairs):
    true, predicted = (np.array(side, np.float64) for side in zip(*pairs, strict=True))
    values = task_metrics(STARS, true.astype(np.float32), predicted.astype(np.float32)[:, None]).values
    if len(set(true)) == 1 or len(set(predicted)) == 1:
        assert values["pearson"] == 0.0
    elif min(true.std(), predicted.std()) > 1e-3:
        assert values["pearson"] == pytest.approx(statistics.correlation(true, predicted), abs=1e-6)
    assert values["mse"] == pytest.approx(statistics.fmean((p - t) ** 2 for t, p in pairs), abs=1e-9)
    assert values["mae"] == pytest.approx(statistics.fmean(abs(p - t) for t, p in pairs), abs=1e-9)


def f1_at(threshold, scores, truth):
    return f1(truth.tolist(), (scores >= threshold).tolist()) or 0.0


def logit(chance):
    return np.log(chance / (1 - chance))


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def unshrunk(threshold, fewer):
    """The threshold before its logit was multiplied by ``fewer / (fewer + 10)``."""
    return float(sigmoid(logit(threshold) * (fewer + 10) / fewer))


@given(label_rows)
def test_no_threshold_gives_a_better_f1_than_the_one_that_is_shrunk_towards_one_half(data):
    sets, logits = data
    logits = logits.round(3)  # so that rounding in the test cannot move a threshold past its neighbour
    targets = encode_labels(TAGS, [None if s is None else tuple(s) for s in sets])
    thresholds = best_thresholds(TAGS, targets, logits)
    rows = has_label(targets)
    scores = compute_probabilities(TAGS, logits[rows])
    assert len(thresholds) == 2
    for label, threshold in enumerate(thresholds):
        assert 0.0 <= threshold <= 1.0
        truth = targets[rows][:, label] == 1
        grid = [*np.linspace(0, 1, 101), *scores[:, label], *(np.nextafter(scores[:, label], 2))]
        if truth.any():
            best = max(f1_at(bar, scores[:, label], truth) for bar in grid)
            fewer = min(truth.sum(), (~truth).sum())
            # nearest to 0.5: were 0.5 as good, it would have been chosen
            assert threshold == 0.5 or f1_at(0.5, scores[:, label], truth) < best - 1e-9
            if fewer:
                assert f1_at(unshrunk(threshold, fewer), scores[:, label], truth) == pytest.approx(best)
        else:
            assert threshold == 0.5


def rows_of(chances, given, copies=1):
    """One label's task, its logits with these probabilities, and its targets."""
    task = TaskSpec(name="tags", kind="multi_label", labels=("x",), thresholds=(0.5,))
    chances = np.array(chances * copies)
    logits = np.log(chances / (1 - chances)).astype(np.float32)[:, None]
    return task, encode_labels(task, [("x",) if one else () for one in given] * copies), logits


@pytest.mark.parametrize("copies", [1, 50, 5000])
def test_a_threshold_moves_from_one_half_to_the_middle_of_its_gap_as_rows_grow_many(copies):
    middle = (logit(0.1) + logit(0.2)) / 2
    expected = sigmoid(middle * 2 * copies / (2 * copies + 10))
    assert best_thresholds(*rows_of([0.05, 0.1, 0.2, 0.4], [0, 0, 1, 1], copies)) == pytest.approx(
        (expected,), abs=1e-6
    )


def test_among_equally_good_thresholds_the_one_nearest_to_one_half_is_taken():
    # from 0.35 on 1 of 1 is right and 1 missed, from 0.05 on 2 of 4 are right: F1 of 2/3 both times
    assert f1([True, False, False, True], [True] * 4) == f1([True, False, False, True], [False] * 3 + [True])
    (threshold,) = best_thresholds(*rows_of([0.1, 0.2, 0.3, 0.4], [1, 0, 0, 1], 1000))
    assert threshold == pytest.approx(sigmoid((logit(0.3) + logit(0.4)) / 2), abs=1e-3)


def test_a_threshold_fitted_to_three_positive_rows_stays_close_to_one_half():
    (threshold,) = best_thresholds(*rows_of([0.01] * 42 + [0.03, 0.05, 0.08], [0] * 42 + [1, 1, 1]))
    assert 0.25 < threshold < 0.5


@given(label_rows, st.floats(0.2, 5))
def test_the_temperature_changes_no_decision_of_fitted_thresholds(data, temperature):
    sets, logits = data
    logits = logits.round(3)
    targets = encode_labels(TAGS, [None if s is None else tuple(s) for s in sets])
    tasks = (TAGS, replace(TAGS, temperature=temperature))
    bars = [logit(np.array(best_thresholds(task, targets, logits))) * task.temperature for task in tasks]
    assert np.allclose(*bars, atol=1e-4)


@pytest.mark.parametrize("rate", [0.05, 0.15, 0.4])
@pytest.mark.parametrize("rows", [45, 300, 2000])
def test_fitted_thresholds_lose_no_f1_on_fresh_rows_and_gain_some_with_many(rows, rate):
    task = TaskSpec(name="tags", kind="multi_label", labels=("x",), thresholds=(0.5,))

    def draw(count, seed):
        generator = np.random.default_rng(seed)
        logits = generator.normal(np.log(rate / (1 - rate)) * 1.3, 2, (count, 1)).astype(np.float32)
        return (generator.random((count, 1)) < 1 / (1 + np.exp(-logits))).astype(np.float32), logits

    def f1_on_fresh_rows(thresholds):
        return task_metrics(replace(task, thresholds=thresholds), *draw(20_000, 999)).values["macro_f1"]

    fitted = np.mean([f1_on_fresh_rows(best_thresholds(task, *draw(rows, seed))) for seed in range(20)])
    kept = f1_on_fresh_rows((0.5,))
    assert fitted >= kept - 0.005
    assert rows < 2000 or fitted >= kept + 0.005


def test_a_label_without_a_positive_row_keeps_one_half():
    targets = encode_labels(TAGS, [("x",), (), None])
    logits = np.array([[-3, 4], [-5, 4], [9, 9]], np.float32)
    x, y = best_thresholds(TAGS, targets, logits)
    assert x < 0.5
    assert y == 0.5


def test_the_score_is_the_mean_headline_metric_of_the_tasks_with_labels():
    kinds = {"tone": "single_label", "tags": "multi_label", "stars": "regression", "empty": "single_label"}
    tasks = {
        "tone": TaskMetrics(rows=4, values={"accuracy": 0.1, "macro_f1": 0.5}),
        "tags": TaskMetrics(rows=4, values={"accuracy": 0.1, "macro_f1": 0.8, "micro_f1": 0.1}),
        "stars": TaskMetrics(rows=1, values={"mse": 9.0, "mae": 9.0, "pearson": -0.1}),
        "empty": TaskMetrics(rows=0, values={"accuracy": 0.0, "macro_f1": 0.0}),
    }
    assert score(tasks, kinds) == pytest.approx((0.5 + 0.8 - 0.1) / 3)
    assert score({"empty": tasks["empty"]}, kinds) == 0.0


@pytest.mark.parametrize("task", [TONE, TAGS, STARS])
def test_every_kind_reports_its_headline_metric(task):
    labels = {"single_label": ["a", "b"], "multi_label": [("x",), ()], "regression": [1.0, 2.0]}[task.kind]
    metrics = task_metrics(task, encode_labels(task, labels), np.zeros((2, task.width), np.float32))
    assert HEADLINE[task.kind] in metrics.values
