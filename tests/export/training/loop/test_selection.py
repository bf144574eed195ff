"""Which evaluation's weights are kept, and when a run ends early."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_export.training.loop.selection import EarlyStopping, is_as_good, read_scores
from mtl_runtime.core.intervals import wilson_interval

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def kept(scores, *, start, rows):
    """Index of the evaluation whose weights are kept at the end; None: those of the start."""
    best = None
    for index, score in enumerate(scores):
        if is_as_good(score, [*([] if start is None else [start]), *scores[:index]], rows=rows):
            best = index
    return best


@given(scores=SCORES, start=st.floats(0, 1), rows=st.integers(200, 5000))
def test_what_is_kept_is_never_worse_than_the_start_where_validation_can_tell(scores, start, rows):
    index = kept(scores, start=start, rows=rows)
    assert index is None if max(scores) < start else scores[index] >= start


@given(scores=SCORES, start=st.floats(0, 1), rows=st.integers(1, 199))
def test_with_few_validation_rows_what_is_kept_is_not_clearly_worse_than_the_start(scores, start, rows):
    index = kept(scores, start=start, rows=rows)
    assert index is None or scores[index] >= min(start, wilson_interval(round(start * rows), rows)[0])


def test_one_row_of_twelve_does_not_undo_a_training():
    assert kept([0.739, 0.54, 0.556], start=0.611, rows=12) == 2
    assert kept([0.2, 0.25, 0.3], start=0.611, rows=12) is None


@given(scores=SCORES, rows=st.integers(200, 10**6))
def test_with_enough_validation_rows_the_highest_score_is_kept_and_of_equals_the_last(scores, rows):
    index = kept(scores, start=None, rows=rows)
    assert scores[index] == max(scores)
    assert max(scores) not in scores[index + 1 :]


def test_with_few_validation_rows_a_later_score_within_the_error_is_kept():
    scores = [0.60, 0.74, 0.64, 0.54]
    assert kept(scores, start=0.47, rows=12) == 3
    assert kept(scores, start=0.47, rows=60) == 2
    assert kept(scores, start=0.47, rows=199) == 1


def test_twelve_right_answers_of_twelve_are_no_certainty():
    assert kept([0.8, 1.0, 0.91, 0.91], start=0.5, rows=12) == 3
    assert kept([0.8, 1.0, 0.7], start=0.5, rows=12) == 1


@pytest.mark.parametrize(("scores", "stops"), [([0.5], False), ([0.5, 0.5], True), ([0.5, 0.6, 0.55, 0.7], False)])
def test_a_run_ends_after_as_many_evaluations_without_a_higher_score(scores, stops):
    log = [{"loss": 1.0, "step": 1}, *({"eval_score": score, "step": 1} for score in scores)]
    assert read_scores(log) == scores
    control = SimpleNamespace(should_training_stop=False)
    EarlyStopping(1).on_evaluate(None, SimpleNamespace(log_history=log), control)
    assert control.should_training_stop == stops
