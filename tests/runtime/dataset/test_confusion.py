"""Confusions are counted, stored for the pairs that occur, and read back from the matrices of earlier versions."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.core import records
from mtl_runtime.dataset.confusion import ConfusedPair, Confusion
from mtl_runtime.dataset.metrics import TaskMetrics
from mtl_runtime.errors import RecordError

matrices = st.integers(1, 6).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, 4), min_size=size, max_size=size), min_size=size, max_size=size)
)


@given(matrices)
def test_a_matrix_of_an_earlier_version_is_read_as_what_is_written_now(matrix):
    metrics = TaskMetrics(rows=9, values={"accuracy": 0.5}, confusion=Confusion.from_matrix(matrix))
    earlier = {"rows": 9, "values": {"accuracy": 0.5, "majority": 0.7}, "confusion": matrix, "labels": []}
    assert records.from_dict(TaskMetrics, earlier) == metrics
    assert records.from_json(TaskMetrics, records.to_json(metrics)) == metrics
    assert metrics.confusion.to_matrix().tolist() == matrix


@given(matrices)
def test_counts_by_label_are_the_sums_of_the_matrix(matrix):
    array = np.array(matrix)
    confusion = Confusion.from_matrix(matrix)
    results = TaskMetrics(rows=int(array.sum()), values={}, confusion=confusion).by_label
    assert [result.rows for result in results] == confusion.rows_by_label == array.sum(axis=1).tolist()
    assert [result.predicted for result in results] == array.sum(axis=0).tolist()
    assert [result.correct for result in results] == np.diag(array).tolist()


def test_an_empty_matrix_of_an_earlier_version_means_a_task_of_another_kind():
    earlier = {"rows": 2, "values": {"mse": 1.0}, "confusion": [], "labels": []}
    assert records.from_dict(TaskMetrics, earlier).confusion is None


def test_the_most_frequent_confusions_come_first_and_right_answers_never():
    confusion = Confusion.count(np.array([0, 0, 1, 2, 2, 2, 1]), np.array([0, 1, 0, 1, 1, 2, 0]), 3)
    assert confusion.most_confused() == [ConfusedPair(1, 0, 2), ConfusedPair(2, 1, 2), ConfusedPair(0, 1, 1)]


def test_1200_labels_take_no_more_room_than_their_rows():
    rows = np.arange(2400) % 1200
    confusion = Confusion.count(rows, (rows + 1) % 1200, 1200)
    assert len(json.dumps(records.to_dict(confusion))) < 30_000


@pytest.mark.parametrize("broken", [{"counts": [1]}, {"true": [2]}, {"predicted": [-1]}])
def test_counts_that_fit_no_label_are_refused(broken):
    confusion = {"size": 2, "true": [0], "predicted": [1], "counts": [3]}
    records.from_dict(Confusion, confusion)
    with pytest.raises(RecordError):
        records.from_dict(Confusion, {**confusion, "true": [0, 1], **broken})
