"""What validation rows say of a model: whether it beats its majority and its probe."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.bundle.training_summary import TrainingSummary, ValidationScores

share = st.floats(0, 1)


def scores(model, majority=None, probe=None, rows=150):
    return ValidationScores(rows=rows, model=model, majority=majority or {}, probe=probe or {})


def labels(accuracy, macro_f1):
    return {"accuracy": accuracy, "macro_f1": macro_f1}


@pytest.mark.parametrize(
    ("model", "majority", "probe", "rating"),
    [
        (labels(0.487, 0.231), labels(0.493, 0.22), {}, "no better than the majority"),  # 149 of 150 answers are it
        (labels(0.52, 0.25), labels(0.493, 0.22), {}, "no better than the majority"),  # 4 rows of 150 more are luck
        (labels(0.90, 0.70), labels(0.91, 0.32), {}, "better than the majority"),  # rare labels are found
        (labels(0.75, 0.70), labels(0.49, 0.22), labels(0.79, 0.72), "worse than the probe"),
        (labels(0.75, 0.74), labels(0.49, 0.22), labels(0.79, 0.72), "better than the majority"),
        (labels(0.75, 0.74), {}, {}, "unknown"),
        (labels(0.75, 0.74), {"accuracy": 0.49}, {}, "better than the majority"),
        ({"mse": 4.1, "mae": 1.5, "pearson": 0.3}, {"mse": 4.0, "mae": 1.6}, {}, "no better than the majority"),
        ({"mse": 3.1, "mae": 1.5, "pearson": 0.3}, {"mse": 4.0, "mae": 1.6}, {}, "better than the majority"),
        (
            {"mse": 3.1, "mae": 1.5, "pearson": 0.3},
            {"mse": 4.0, "mae": 1.6},
            {"mse": 2.0, "mae": 1.2, "pearson": 0.5},
            "worse than the probe",
        ),
    ],
)
def test_the_rating_compares_with_the_majority_first_and_then_with_the_probe(model, majority, probe, rating):
    assert scores(model, majority, probe).rating == rating


def test_without_rows_there_is_no_rating():
    assert scores(labels(1.0, 1.0), labels(0.5, 0.3), rows=0).rating == "unknown"


@given(share, share, st.integers(1, 5000))
def test_a_model_that_is_its_majority_never_looks_good(accuracy, macro_f1, rows):
    same = labels(accuracy, macro_f1)
    assert scores(same, same, rows=rows).rating == "no better than the majority"


@given(st.floats(0.05, 0.9), st.integers(10, 5000))
def test_what_counts_as_better_is_one_standard_error_of_that_many_rows(majority, rows):
    error = math.sqrt(majority * (1 - majority) / rows)
    below, above = ({"accuracy": majority + error * factor} for factor in (0.99, 1.01))
    assert scores(below, {"accuracy": majority}, rows=rows).rating == "no better than the majority"
    assert scores(above, {"accuracy": majority}, rows=rows).rating == "better than the majority"


def test_warnings_name_the_poor_tasks_before_the_findings():
    poor = scores({"mse": 4.1, "mae": 1.5, "pearson": 0.0}, {"mse": 4.0, "mae": 1.4, "pearson": 0.0})
    summary = TrainingSummary(
        validation={"price": poor, "tone": scores(labels(0.9, 0.9), labels(0.5, 0.3))}, findings=("a finding",)
    )
    assert summary.warnings == (
        "task price is no better than always giving the mean of the training rows "
        "(mae 1.500 against 1.400, pearson 0.000 against 0.000, on 150 validation rows)",
        "a finding",
    )


def test_a_task_that_a_finding_calls_poor_is_not_named_twice():
    poor = scores(labels(0.5, 0.3), labels(0.5, 0.3))
    finding = "task tone is right no more often than by always answering news: accuracy 0.500 against 0.500"
    assert TrainingSummary(validation={"tone": poor}, findings=(finding,)).warnings == (finding,)
