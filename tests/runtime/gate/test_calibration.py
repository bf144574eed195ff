"""Temperatures and thresholds: what is fitted, and what a calibration error says."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.targets import MISSING
from mtl_runtime.gate.agreement import TaskOutputs, measure_agreement
from mtl_runtime.gate.calibration import calibrate, calibrate_tasks, calibration_error, reliability_bins
from mtl_runtime.inference.decode import compute_probabilities

TONE = TaskSpec(name="tone", kind="single_label", labels=("a", "b", "c"))
TAGS = TaskSpec(name="tags", kind="multi_label", labels=("x", "y"), thresholds=(0.5, 0.5))
STARS = TaskSpec(name="stars", kind="regression")


def drawn(temperature, *, rows=4000, seed=0, spread=3.0):
    """Logits, and labels drawn from softmax(logits / temperature)."""
    generator = np.random.default_rng(seed)
    logits = (generator.normal(0, spread, (rows, 3)) * temperature).astype(np.float32)
    chances = compute_probabilities(dataclasses.replace(TONE, temperature=temperature), logits)
    return logits, (generator.random((rows, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(0, 2)


def likelihood(task, logits, targets):
    """Mean negative log-likelihood."""
    return -np.log(compute_probabilities(task, logits)[np.arange(len(logits)), targets] + 1e-300).mean()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_drew_the_labels_is_found_again(temperature):
    logits, targets = drawn(temperature)
    assert calibrate(TONE, logits, targets).temperature == pytest.approx(temperature, rel=0.1)


@given(st.integers(0, 50), st.floats(0.2, 5.0))
def test_no_other_temperature_explains_the_labels_better_once_the_prior_is_added(seed, other):
    logits, targets = drawn(1.7, rows=200, seed=seed)
    best = calibrate(TONE, logits, targets)

    def cost(task):
        return likelihood(task, logits, targets) * len(targets) + math.log(task.temperature) ** 2 / (2 * 0.25**2)

    assert cost(best) <= cost(dataclasses.replace(TONE, temperature=other)) + 1e-4


@given(st.integers(30, 45), st.floats(2.0, 12.0), st.integers(0, 100))
def test_few_rows_that_are_all_right_leave_the_temperature_near_one(rows, margin, seed):
    """The likelihood alone is best at T = 0 there, whatever the true error rate is."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 3, rows)
    logits = np.eye(3, dtype=np.float32)[targets] * (margin * generator.uniform(0.7, 1.3, (rows, 1))).astype(np.float32)
    assert 0.5 < calibrate(TONE, logits, targets).temperature <= 1.0


@pytest.mark.parametrize("spread", [0.8, 2.0, 6.0], ids=["60 % right", "80 % right", "93 % right"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("rows", [20, 45, 100, 500])
def test_rows_that_the_fit_has_not_seen_are_never_told_worse_than_without_it(rows, temperature, spread):
    """On average over fresh draws, beyond 0.01 nats; from 500 rows on, four fifths of what a perfect T gains stay."""
    fresh, truth = drawn(temperature, rows=20_000, seed=1000, spread=spread)
    without = likelihood(TONE, fresh, truth)
    perfect = likelihood(dataclasses.replace(TONE, temperature=temperature), fresh, truth)
    fitted = [calibrate(TONE, *drawn(temperature, rows=rows, seed=seed, spread=spread)) for seed in range(30)]
    cost = {task.temperature: likelihood(task, fresh, truth) for task in dict.fromkeys(fitted)}
    mean = np.mean([cost[task.temperature] for task in fitted])
    assert mean <= without + 0.01
    if rows >= 500:
        assert without - mean >= 0.8 * (without - perfect) - 0.002


def examples_with(texts, targets):
    return [
        Example(text=text, labels={"tone": TONE.labels[label]}, path="rows.csv", line=line)
        for line, (text, label) in enumerate(zip(texts, targets, strict=True), 2)
    ]


def measured(fitted, texts, logits, targets):
    outputs = TaskOutputs(fitted.tasks[0], logits, fitted.judge_unseen(texts)["tone"])
    return measure_agreement(texts, outputs, outputs, targets, tie=0.0)


def test_a_calibration_error_is_that_of_rows_which_the_fit_has_not_seen():
    logits, targets = drawn(3.0, rows=60)
    texts = [f"text {row}" for row in range(60)]
    fitted = calibrate_tasks((TONE,), {"tone": logits}, examples_with(texts, targets))
    scores = np.empty((60, 3))
    for row in range(60):  # by hand: fit to the rows of the other four fifths
        others = np.arange(60) % 5 != row % 5
        judge = calibrate(TONE, logits[others], targets[others])
        scores[row] = compute_probabilities(judge, logits[row : row + 1])[0]
    neutral = np.log(scores).astype(np.float32)
    expected = calibration_error(reliability_bins(TONE, neutral, targets))
    evidence = measured(fitted, texts, logits, targets)
    assert evidence.calibrated_error == pytest.approx(expected, abs=1e-6)
    assert evidence.temperature == calibrate(TONE, logits, targets).temperature
    seen = calibration_error(reliability_bins(fitted.tasks[0], logits, targets))
    assert evidence.calibrated_error != pytest.approx(seen, abs=1e-4)


def test_a_copy_of_a_row_does_not_judge_it():
    logits, targets = drawn(3.0, rows=50)
    texts = [f"text {row}" for row in range(50)]
    once = calibrate_tasks((TONE,), {"tone": logits}, examples_with(texts, targets))
    twice = calibrate_tasks(
        (TONE,), {"tone": np.concatenate([logits, logits])}, examples_with([*texts, *texts], [*targets, *targets])
    )
    for fitted in (once, twice):
        assert fitted.fold_of == {text: row % 5 for row, text in enumerate(texts)}
    assert twice.by_fold[0][0] == calibrate(
        TONE, *(np.concatenate([part[np.arange(50) % 5 != 0]] * 2) for part in (logits, targets))
    )


def test_a_text_that_was_not_fitted_on_is_judged_by_the_final_fit():
    logits, targets = drawn(3.0, rows=60)
    fitted = calibrate_tasks((TONE,), {"tone": logits}, examples_with([f"text {row}" for row in range(60)], targets))
    (final,) = fitted.tasks
    judges = fitted.judge_unseen(["another text", "text 0"])["tone"]
    assert judges.temperatures.tolist() == [final.temperature, fitted.by_fold[0][0].temperature]


def test_labels_are_scored_at_thresholds_that_have_not_seen_their_rows():
    generator = np.random.default_rng(1)
    logits = generator.normal(-1, 1, (80, 2)).astype(np.float32)
    targets = (generator.random((80, 2)) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    texts = [f"text {row}" for row in range(80)]
    labels = [tuple(name for name, given in zip(TAGS.labels, row, strict=True) if given) for row in targets]
    examples = [Example(text=t, labels={"tags": one}, path="", line=1) for t, one in zip(texts, labels, strict=True)]
    fitted = calibrate_tasks((TAGS,), {"tags": logits}, examples)
    outputs = TaskOutputs(fitted.tasks[0], logits, fitted.judge_unseen(texts)["tags"])
    right = 0
    for row in range(80):
        judge = fitted.by_fold[row % 5][0]
        given = compute_probabilities(judge, logits[row : row + 1])[0] >= np.array(judge.thresholds)
        right += int((given == (targets[row] == 1)).all())
    evidence = measure_agreement(texts, outputs, outputs, targets, tie=0.0)
    assert evidence.metrics["accuracy"] == evidence.reference_metrics["accuracy"] == pytest.approx(right / 80)


def test_multi_label_tasks_get_a_temperature_and_thresholds_of_probabilities_after_it():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 4, (2000, 2)).astype(np.float32)
    targets = (generator.random((2000, 2)) < 1 / (1 + np.exp(-logits / 2))).astype(np.float32)
    fitted = calibrate(TAGS, logits, targets)
    assert fitted.temperature == pytest.approx(2.0, rel=0.15)
    assert all(0.2 < threshold < 0.6 for threshold in fitted.thresholds)


def test_a_regression_few_rows_and_missing_labels_leave_a_task_as_it_is():
    logits, targets = drawn(2.0, rows=29)
    assert calibrate(TONE, logits, targets) == TONE
    unlabelled = np.concatenate([targets, np.full(500, MISSING)])
    assert calibrate(TONE, np.concatenate([logits, np.zeros((500, 3), np.float32)]), unlabelled) == TONE
    assert calibrate(STARS, np.zeros((50, 1), np.float32), np.zeros(50, np.float32)) == STARS


def test_the_calibration_error_is_the_textbooks():
    # nine answers with the probability 0.9 of which six are right, one with 0.5 that is right
    confident, unsure = math.log(0.9 / 0.05), 0.0
    logits = np.array([[confident, 0, 0]] * 9 + [[math.log(2), unsure, unsure]], np.float32)
    targets = np.array([0] * 6 + [1] * 3 + [0])
    bins = reliability_bins(TONE, logits, targets)
    assert sum(bar.rows for bar in bins) == 10
    assert calibration_error(bins) == pytest.approx((9 * abs(0.9 - 6 / 9) + 1 * 0.5) / 10, abs=1e-6)


def test_without_labels_there_is_no_calibration_error():
    assert calibration_error(reliability_bins(TONE, np.zeros((2, 3), np.float32), np.full(2, MISSING))) is None
    assert reliability_bins(STARS, np.zeros((2, 1), np.float32), np.zeros(2, np.float32)) == ()
