"""Logits to answers."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mtl_runtime.bundle.manifest import Standardization, TaskSpec
from mtl_runtime.errors import NonFiniteError, RecordError
from mtl_runtime.inference.decode import assemble_predictions, compute_probabilities, decode
from mtl_runtime.text.tokenizer import TokenizedText

LABELS = ("a", "b", "c")
SINGLE = TaskSpec(name="tone", kind="single_label", labels=LABELS, temperature=2.0)
MULTI = TaskSpec(name="topics", kind="multi_label", labels=LABELS, thresholds=(0.5, 0.0, 1.0))
NUMBER = TaskSpec(name="stars", kind="regression")

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
rows = st.integers(min_value=0, max_value=6).flatmap(lambda n: arrays(np.float32, (n, 3), elements=finite))


@given(rows)
def test_softmax_rows_sum_to_one_and_keep_the_order(logits):
    scores = compute_probabilities(SINGLE, logits)
    np.testing.assert_allclose(scores.sum(axis=1), np.ones(len(logits)), rtol=1e-12)
    assert ((scores >= 0) & (scores <= 1)).all()
    for row, answer in zip(logits, decode(SINGLE, logits), strict=True):
        assert answer.label == LABELS[int(row.argmax())]
        assert answer.probability == answer.probabilities[answer.label] == max(answer.probabilities.values())
        assert answer.logits == tuple(row.tolist())


@given(rows)
def test_a_label_applies_exactly_where_its_probability_reaches_its_threshold(logits):
    scores = compute_probabilities(MULTI, logits)
    for row, answer in zip(scores, decode(MULTI, logits), strict=True):
        expected = [label for label, p, bar in zip(LABELS, row, MULTI.thresholds, strict=True) if p >= bar]
        assert list(answer.labels) == expected
        assert answer.value == "|".join(expected)


def test_the_temperature_divides_the_logits():
    logits = np.array([[2.0, 0.0, -2.0]], dtype=np.float32)
    expected = np.exp([1.0, 0.0, -1.0]) / np.exp([1.0, 0.0, -1.0]).sum()
    np.testing.assert_allclose(compute_probabilities(SINGLE, logits)[0], expected)


def test_extreme_logits_overflow_nowhere():
    logits = np.array([[3e38, -3e38, 0.0]], dtype=np.float32)
    assert compute_probabilities(SINGLE, logits).tolist() == [[1.0, 0.0, 0.0]]
    assert compute_probabilities(MULTI, logits).tolist() == [[1.0, 0.0, 0.5]]


@given(
    logit=st.floats(-100, 100, width=32),
    mean=st.floats(-1e9, 1e9),
    deviation=st.floats(1e-3, 1e6),
)
def test_a_standardized_regression_gives_its_number_in_the_unit_of_the_data(logit, mean, deviation):
    task = dataclasses.replace(NUMBER, standardization=Standardization(mean=mean, deviation=deviation))
    logits = np.array([[logit]], np.float32)
    (answer,) = decode(task, logits)
    assert answer.value == compute_probabilities(task, logits)[0, 0] == logit * deviation + mean
    assert answer.logits == (logit,)


def test_only_a_regression_can_be_standardized():
    with pytest.raises(RecordError, match="standardization"):
        dataclasses.replace(SINGLE, standardization=Standardization(mean=0.0, deviation=1.0))
    with pytest.raises(RecordError, match="deviation"):
        Standardization(mean=0.0, deviation=0.0)


def test_a_regression_gives_its_logit_as_it_is():
    (answer,) = decode(NUMBER, np.array([[2.5]], dtype=np.float32))
    assert answer.value == 2.5


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=finite),
    st.sampled_from([np.nan, np.inf, -np.inf]),
    st.data(),
)
def test_nan_and_infinity_give_no_answer_but_the_index_of_the_text(logits, poison, data):
    index = data.draw(st.integers(0, len(logits) - 1))
    logits[index, data.draw(st.integers(0, logits.shape[1] - 1))] = poison
    with pytest.raises(NonFiniteError, match=f"text {index}: a logit of task 'stars'") as caught:
        decode(NUMBER, logits)
    assert caught.value.index == index


def test_a_prediction_as_a_dictionary_survives_json_with_all_that_it_says():
    logits = [np.array([[2.0, 0.0, -2.0]], dtype=np.float32), np.array([[2.5]], dtype=np.float32)]
    (prediction,) = assemble_predictions(
        [SINGLE, NUMBER], logits, [TokenizedText((2, 7, 3), (0, 0, 0), truncated=True)]
    )
    tone = prediction["tone"]
    assert json.loads(json.dumps(prediction.to_dict())) == {
        "answers": {
            "tone": {
                "label": "a",
                "probability": tone.probability,
                "probabilities": tone.probabilities,
                "logits": [2.0, 0.0, -2.0],
            },
            "stars": {"value": 2.5, "logits": [2.5]},
        },
        "tokens": 3,
        "truncated": True,
        "windows": 1,
    }
