"""Progress of a run: steps done, and time left."""

from mtl_bench.suite.effort import FULL, QUICK
from mtl_bench.suite.progress import ProgressEstimate, steps_of


def test_time_left_is_what_the_rest_takes_at_the_pace_so_far():
    clock, lines = iter([0.0, 30.0, 90.0]), []
    countdown = ProgressEstimate(lines.append, 4, lambda: next(clock))
    for line in ("first", "second", "third"):
        countdown(line)
    assert lines == ["first (1 of 4)", "second (2 of 4, about 0:01:30 left)", "third (3 of 4, about 0:01:30 left)"]


def test_more_steps_than_expected_are_still_told():
    lines = []
    countdown = ProgressEstimate(lines.append, 1, lambda: 0.0)
    countdown("first")
    countdown("unforeseen")
    assert lines[-1] == "unforeseen (1 of 1)"


def test_a_system_more_is_more_steps_and_a_quick_run_has_fewer():
    assert steps_of(3, 1, QUICK) > steps_of(2, 1, QUICK)
    assert steps_of(2, 1, QUICK) < steps_of(2, 1, FULL)
