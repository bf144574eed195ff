"""Candidates, trials and the choice: pure decisions."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_export.compression.candidates import Candidate, plan_levels, speed_limit
from mtl_export.compression.points import Point, TaskChange, choose, mark_front
from mtl_export.compression.pruning.sensitivity import LayerLoss
from mtl_export.compression.pruning.student_shape import StudentShape, TeacherSize
from mtl_export.compression.trials import FIRST_ROWS, count_trial_rows, halve
from mtl_runtime.evidence.schema import Estimate


def size_of(layers, hidden):
    """Of an encoder whose heads have 32 columns and whose feed-forward layers are four times as wide as the others."""
    return TeacherSize(
        layers=layers,
        hidden=hidden,
        heads=hidden // 32,
        neurons=4 * hidden,
        attention=4 * hidden**2,
        feed_forward=8 * hidden**2,
        widths_known=True,
    )


MINILM = size_of(layers=6, hidden=384)


def steps_of(layers):
    """Layers taken out from the top."""
    return [LayerLoss(layer=count, remaining=tuple(range(count)), loss=1.0) for count in range(layers - 1, 0, -1)]


def test_the_wanted_size_comes_first_and_is_reached_by_fewer_layers_by_narrower_ones_and_by_both():
    levels = plan_levels(MINILM, steps_of(6), speed=2.0)
    # What no student saves is a share of 0.14 of a pass: the layers have to be faster than the whole.
    assert [0.14 + 0.86 * level.work for level in levels] == pytest.approx([0.5, 0.75, 1 / 3, 0.25], abs=1e-3)
    half = {one.name: one for one in levels[0].candidates}
    assert half["3-layers"].shape == StudentShape(layers=(0, 1, 2))
    assert half["3-layers-spaced"].shape == StudentShape(layers=(0, 2, 4))
    assert half["6-layers-5-heads-672-neurons"].shape == StudentShape(layers=(0, 1, 2, 3, 4, 5), heads=5, neurons=672)
    both = half["4-layers-8-heads-960-neurons"]
    assert both.shape.layers == (0, 1, 2, 3)
    assert both.work == pytest.approx(levels[0].work, abs=0.01)


def test_the_share_that_no_student_saves_falls_with_the_work_of_the_layers():
    levels = plan_levels(size_of(layers=12, hidden=768), steps_of(12), speed=2.5)
    assert [0.039 + 0.961 * level.work for level in levels] == pytest.approx([0.4, 0.6, 4 / 15, 0.2], abs=1e-3)


@pytest.mark.parametrize(("layers", "hidden", "limit"), [(6, 384, 7.1), (12, 768, 25.6), (2, 128, 1.7)])
def test_no_student_is_faster_than_what_is_left_without_layers(layers, hidden, limit):
    assert speed_limit(size_of(layers, hidden)) == pytest.approx(limit, abs=0.05)


def test_where_layers_are_less_than_half_of_a_pass_what_is_smallest_is_tried():
    levels = plan_levels(size_of(layers=2, hidden=128), steps_of(2), speed=2.0)
    assert {one.name for one in levels[0].candidates} == {"1-layer-1-head-32-neurons", "2-layers-1-head-32-neurons"}


def test_a_family_whose_widths_are_not_known_has_candidates_with_fewer_layers_alone():
    size = TeacherSize(
        layers=6, hidden=384, heads=1, neurons=1, attention=0, feed_forward=12 * 384**2, widths_known=False
    )
    levels = plan_levels(size, steps_of(6), speed=2.0)
    assert {one.shape.heads for level in levels for one in level.candidates} == {None}
    assert [len(level.candidates) for level in levels] == [2, 2, 1]


@settings(deadline=None)
@given(st.integers(1, 24), st.integers(16, 2048), st.integers(1, 16), st.integers(16, 4096), st.floats(1.01, 16))
def test_candidates_are_smaller_than_the_teacher_and_distinct(layers, hidden, heads, neurons, speed):
    size = TeacherSize(
        layers=layers,
        hidden=hidden,
        heads=heads,
        neurons=neurons,
        attention=4 * hidden**2,
        feed_forward=2 * hidden * neurons,
        widths_known=True,
    )
    levels = plan_levels(size, steps_of(layers), speed=speed)
    every = [one for level in levels for one in level.candidates]
    assert len({one.shape for one in every}) == len({one.name for one in every}) == len(every)
    assert all(0 < one.work < 1 and one.shape.layers[0] == 0 for one in every)
    assert all(one.shape.layers == tuple(sorted(set(one.shape.layers))) for one in every)
    assert all(1 <= (one.shape.heads or 1) <= heads and 1 <= (one.shape.neurons or 1) <= neurons for one in every)


def candidates_of(*names):
    return [Candidate(name, StudentShape(layers=(0,)), 0.5) for name in names]


def test_half_of_the_candidates_go_on_with_twice_the_rows_until_one_is_left():
    calls = []

    def attempt(candidate, rung, rows):
        calls.append((candidate.name, rung, rows))
        return {"a": 0.4, "b": 0.1, "c": 0.2, "d": 0.9}[candidate.name] * (
            10 if (candidate.name, rung) == ("b", 1) else 1
        )

    best, trials = halve(candidates_of(*"abcd"), attempt, all_rows=10_000)
    assert best.name == "c"
    assert calls == [*((name, 0, FIRST_ROWS) for name in "abcd"), *((name, 1, 2 * FIRST_ROWS) for name in "bc")]
    assert [(trial.candidate, trial.rung) for trial in trials] == [(name, rung) for name, rung, _ in calls]


def test_a_single_candidate_needs_no_trial():
    best, trials = halve(candidates_of("a"), lambda *_: pytest.fail("was tried"), all_rows=10_000)
    assert (best.name, trials) == ("a", ())


def test_trials_have_no_more_rows_than_there_are():
    _, trials = halve(candidates_of(*"abc"), lambda *_: 0.5, all_rows=300)
    assert {trial.rows for trial in trials} == {300}


@given(st.integers(1, 9), st.integers(1, 50_000))
def test_the_rows_of_trials_are_known_beforehand(candidates, all_rows):
    _, trials = halve(candidates_of(*"abcdefghi"[:candidates]), lambda *_: 0.5, all_rows=all_rows)
    assert count_trial_rows(candidates, all_rows) == sum(trial.rows for trial in trials)


def point(model, variant, speed, loss, outcome="uncertain", budget=0.5):
    estimate = Estimate(median=speed, low=speed, high=speed, n=9)
    change = TaskChange(
        sentences=100, agreement=0.9, metrics={}, changes={}, lows={}, loss=loss, budget=budget, outcome=outcome
    )
    return Point(
        model=model,
        variant=variant,
        work=1 / speed,
        speed=estimate,
        texts_per_second=estimate,
        p50_milliseconds=1.0,
        tasks={"sentiment": change},
        loss=loss,
        outcome=outcome,
    )


TEACHER_POINTS = (point("teacher", "cpu-fp32", 0.4, 0.0, "certain"), point("teacher", "cpu-int8", 1.0, 0.1))


def test_the_fastest_inside_the_budget_is_taken_and_what_exceeds_it_never():
    points = (
        *TEACHER_POINTS,
        point("3-layers", "cpu-int8", 1.9, 0.3),
        point("2-layers", "cpu-int8", 2.8, 0.6, "exceeded"),
    )
    choice = choose(points, budget=0.5, speed=2.0)
    assert (choice.model, choice.variant) == ("3-layers", "cpu-int8")
    assert "1.90 times as many texts a second" in choice.reason
    assert "100 sentences are too few to be certain of" in choice.reason
    assert "the wanted 2 times was not reached" in choice.reason


def test_a_student_that_is_better_than_its_teacher_drops_nothing():
    points = (point("teacher", "cpu-int8", 1.0, 0.0, "certain"), point("small", "cpu-int8", 2.0, -1.2))
    reason = choose(points, budget=0.5, speed=2.0).reason
    assert "and no metric drops, which 100 sentences are too few to be certain of" in reason


def test_where_nothing_holds_the_teachers_own_best_variant_is_taken():
    points = (*TEACHER_POINTS, point("3-layers", "cpu-int8", 1.9, 4.0, "exceeded"))
    choice = choose(points, budget=0.5, speed=2.0)
    assert (choice.model, choice.variant) == ("teacher", "cpu-int8")
    assert choice.reason.startswith("nothing inside the budget of 0.5 points was found that is faster")


def test_a_student_that_is_faster_by_less_than_noise_is_not_taken():
    student = point("5-layers", "cpu-int8", 1.03, 0.1)
    noisy = dataclasses.replace(student, speed=Estimate(median=1.03, low=0.98, high=1.1, n=9))
    assert choose((*TEACHER_POINTS, noisy), budget=0.5, speed=2.0).model == "teacher"


def test_a_teachers_variant_outside_the_budget_is_not_taken_either():
    points = (point("teacher", "cpu-fp32", 0.4, 0.0), point("teacher", "cpu-int8", 1.0, 0.7, "exceeded"))
    choice = choose((*points, point("5-layers", "cpu-int8", 0.9, 0.8, "exceeded")), budget=0.5, speed=2.0)
    assert (choice.model, choice.variant) == ("teacher", "cpu-fp32")
    assert "the teacher's fastest variant inside it" in choice.reason
    # A student that is slower than the refused variant is faster than what is left of the teacher.
    assert choose((*points, point("5-layers", "cpu-int8", 0.9, 0.2)), budget=0.5, speed=2.0).model == "5-layers"


def test_a_drop_by_a_single_answer_is_not_certain_and_is_not_taken_either():
    choice = choose((*TEACHER_POINTS, point("3-layers", "cpu-int8", 1.9, 3.0, "uncertain")), budget=0.5, speed=2.0)
    assert (choice.model, choice.variant) == ("teacher", "cpu-int8")


def test_a_task_with_a_budget_of_its_own_is_judged_and_named_by_it():
    choice = choose((*TEACHER_POINTS, point("3-layers", "cpu-int8", 1.9, 1.5, budget=2.0)), budget=0.5, speed=1.5)
    assert choice.model == "3-layers"
    assert choice.reason.startswith("the fastest inside the budget of 0.5 points (sentiment 2): 1.90 times")


@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(-1, 9)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_point_beats(values):
    points = mark_front([point(str(number), "cpu-fp32", *value) for number, value in enumerate(values)])
    for one in points:
        better = [
            other
            for other in points
            if other.speed.median >= one.speed.median
            and other.loss <= one.loss
            and (other.speed.median > one.speed.median or other.loss < one.loss)
        ]
        assert one.on_front == (not better)
