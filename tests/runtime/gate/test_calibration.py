"""Temperatures and thresholds: what is fitted, and what a calibration error says."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.targets import MISSING
from mtl_runtime.gate.calibration import calibrate, calibration_error, reliability_bins
from mtl_runtime.inference.decode import compute_probabilities

TONE = TaskSpec(name="tone", kind="single_label", labels=("a", "b", "c"))
TAGS = TaskSpec(name="tags", kind="multi_label", labels=("x", "y"), thresholds=(0.5, 0.5))
STARS = TaskSpec(name="stars", kind="regression")


def drawn(temperature, *, rows=4000, seed=0):
    """Logits, and labels drawn from softmax(logits / temperature)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (rows, 3)).astype(np.float32)
    chances = compute_probabilities(dataclasses.replace(TONE, temperature=temperature), logits)
    return logits, (generator.random((rows, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(0, 2)


def likelihood(task, logits, targets):
    return -np.log(compute_probabilities(task, logits)[np.arange(len(logits)), targets]).mean()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_drew_the_labels_is_found_again(temperature):
    logits, targets = drawn(temperature)
    assert calibrate(TONE, logits, targets).temperature == pytest.approx(temperature, rel=0.1)


@given(st.integers(0, 50), st.floats(0.2, 5.0))
def test_no_other_temperature_explains_the_labels_better(seed, other):
    logits, targets = drawn(1.7, rows=200, seed=seed)
    best = calibrate(TONE, logits, targets)
    rival = dataclasses.replace(TONE, temperature=other)
    assert likelihood(best, logits, targets) <= likelihood(rival, logits, targets) + 1e-6


def test_multi_label_tasks_get_a_temperature_and_thresholds_of_probabilities_after_it():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 4, (2000, 2)).astype(np.float32)
    targets = (generator.random((2000, 2)) < 1 / (1 + np.exp(-logits / 2))).astype(np.float32)
    fitted = calibrate(TAGS, logits, targets)
    assert fitted.temperature == pytest.approx(2.0, rel=0.15)
    assert all(0.2 < threshold < 0.6 for threshold in fitted.thresholds)


def test_rows_that_are_told_apart_without_error_do_not_freeze_the_temperature():
    targets = np.arange(99) % 3
    logits = np.eye(3, dtype=np.float32)[targets] * 5
    assert 0.1 <= calibrate(TONE, logits, targets).temperature < 0.2


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
