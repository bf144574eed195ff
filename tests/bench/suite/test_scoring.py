"""How right a system is: agreement and metrics by kind of task, on small cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_bench.suite.scoring import agreement, score
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import task_metrics
from mtl_runtime.dataset.targets import encode_labels

LABELS = ("bad", "good", "meh")
SENTIMENT = TaskSpec(name="sentiment", kind="single_label", labels=LABELS)
TOPICS = TaskSpec(name="topics", kind="multi_label", labels=("food", "sport"), thresholds=(0.5, 0.5))
STARS = TaskSpec(name="stars", kind="regression")


def test_each_kind_of_task_is_scored_in_its_own_way():
    labels = {
        "sentiment": ["bad", "good", "good"],
        "topics": ["food|sport", "", "sport"],
        "stars": [1.0, 2.0, 3.0],
    }
    reference = {"sentiment": ["bad", "good", "bad"], "topics": ["sport|food", "", "food"], "stars": [1.0, 2.0, 4.0]}
    truth = {
        "sentiment": ["bad", None, "bad"],
        "topics": [("food", "sport"), (), ("food",)],
        "stars": [1.0, 2.0, None],
    }
    scores = score([SENTIMENT, TOPICS, STARS], labels, reference, truth)
    assert scores.agreement == pytest.approx({"sentiment": 2 / 3, "topics": 2 / 3, "stars": 2 / 3})
    # bad: one hit, one missed; good: one false alarm.
    assert scores.metrics["sentiment"] == pytest.approx({"accuracy": 1 / 2, "macro_f1": (2 / 3 + 0) / 2})
    assert scores.metrics["topics"] == pytest.approx({"accuracy": 2 / 3, "macro_f1": (2 / 3 + 2 / 3) / 2})
    assert scores.metrics["stars"] == pytest.approx({"mae": 0.0, "pearson": 1.0})


def test_tasks_without_labels_have_agreement_alone():
    scores = score([SENTIMENT], {"sentiment": ["bad"]}, {"sentiment": ["bad"]}, {"sentiment": [None]})
    assert scores.agreement == {"sentiment": 1.0}
    assert scores.metrics == {}


@given(rows=st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=30))
def test_metrics_of_labels_are_those_that_the_gate_takes_from_logits(rows):
    answers, truth = [a for a, _ in rows], [b for _, b in rows]
    logits = np.array([[float(label == answer) for label in LABELS] for answer in answers], dtype=np.float32)
    gate = task_metrics(SENTIMENT, encode_labels(SENTIMENT, truth), logits).values
    scores = score([SENTIMENT], {"sentiment": answers}, {"sentiment": answers}, {"sentiment": truth})
    assert scores.metrics["sentiment"] == pytest.approx({name: gate[name] for name in ("accuracy", "macro_f1")})


def test_a_value_agrees_if_it_is_off_by_less_than_a_twentieth_of_the_spread():
    reference = [0.0, 10.0]  # standard deviation 5
    assert agreement("regression", [0.24, 10.26], reference) == 0.5
