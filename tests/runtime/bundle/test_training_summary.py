"""What training leaves in a bundle: findings as records, and a rating of each task that no reader decides again."""

import pytest

from mtl_runtime.bundle.training_summary import Finding, TrainingSummary, ValidationScores
from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

POOR = Finding(
    problem="no_better_than_majority", task="tone", text="task tone is hardly better than always answering a"
)


def test_a_summary_is_read_as_it_was_written():
    scores = ValidationScores(rows=150, model={"accuracy": 0.5}, rating="no better than the majority")
    summary = TrainingSummary(validation={"tone": scores}, findings=(POOR,))
    assert records.from_json(TrainingSummary, records.to_json(summary)) == summary


def test_a_bare_sentence_of_an_earlier_version_is_a_finding_of_no_known_problem():
    summary = records.from_dict(TrainingSummary, {"validation": {}, "findings": ["a sentence"]})
    assert summary.findings == (Finding(problem="other", text="a sentence"),)


def test_a_problem_that_only_a_later_version_knows_does_not_make_a_bundle_unreadable():
    later = {"problem": "labels_of_the_future", "task": "tone", "text": "a sentence"}
    assert records.from_dict(Finding, later) == Finding(problem="other", task="tone", text="a sentence")


@pytest.mark.parametrize("broken", [{"problem": 3, "text": "a"}, {"text": "a"}, {"problem": "rare_labels"}, 3, None])
def test_what_is_no_finding_is_refused(broken):
    with pytest.raises(RecordError, match="finding"):
        records.from_dict(Finding, broken, where="finding")


def test_scores_of_an_earlier_version_have_no_rating_and_none_is_made_up():
    scores = records.from_dict(ValidationScores, {"rows": 9, "model": {"accuracy": 0.5}, "majority": {"accuracy": 0.6}})
    assert scores.rating == "unknown"


@pytest.mark.parametrize(
    ("rating", "probe", "comparison"),
    [
        ("better than the majority", {"macro_f1": 0.70}, "better than majority and probe"),
        ("better than the majority", {"macro_f1": 0.798}, "better than the majority, level with the probe"),
        ("better than the majority", {}, "better than the majority"),
        ("worse than the probe", {"macro_f1": 0.85}, "worse than the probe"),
        ("unknown", {"macro_f1": 0.1}, "unknown"),
    ],
)
def test_a_rating_in_words_compares_with_the_probe_where_there_is_one(rating, probe, comparison):
    scores = ValidationScores(rows=9, model={"accuracy": 0.9, "macro_f1": 0.8}, probe=probe, rating=rating)
    assert scores.comparison == comparison


def test_an_accuracy_has_an_interval_by_its_rows_and_a_mean_error_none():
    (low, high) = ValidationScores(rows=40, model={"accuracy": 1.0, "macro_f1": 1.0}).intervals["accuracy"]
    assert (round(low, 3), high) == (0.912, 1.0)
    assert ValidationScores(rows=40, model={"mae": 1.0, "mse": 2.0, "pearson": 0.5}).intervals == {}


@pytest.mark.parametrize(
    ("model", "shown"),
    [({"accuracy": 0.9, "macro_f1": 0.8}, ("accuracy", "macro_f1")), ({"mse": 1.0, "mae": 0.5}, ("mae", "pearson"))],
)
def test_tables_show_two_metrics_of_a_task(model, shown):
    assert ValidationScores(rows=9, model=model).tabulated_metrics == shown
