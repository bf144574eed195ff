"""Progress of a run: stages done, and time left."""

from mtl_bench.effort import FULL, QUICK
from mtl_bench.suite.progress import ProgressEstimate, count_stages


def test_time_left_is_what_the_rest_takes_at_the_pace_so_far():
    clock, lines = iter([0.0, 30.0, 90.0]), []
    estimate = ProgressEstimate(lines.append, 4, lambda: next(clock))
    for line in ("first", "second", "third"):
        estimate(line)
    assert lines == ["first (1 of 4)", "second (2 of 4, about 0:01:30 left)", "third (3 of 4, about 0:01:30 left)"]


def test_more_stages_than_expected_are_still_shown():
    lines = []
    estimate = ProgressEstimate(lines.append, 1, lambda: 0.0)
    estimate("first")
    estimate("unforeseen")
    assert lines[-1] == "unforeseen (1 of 1)"


def test_a_further_system_is_more_stages_and_a_quick_run_has_fewer():
    assert count_stages(3, 1, QUICK) > count_stages(2, 1, QUICK)
    assert count_stages(2, 1, QUICK) < count_stages(2, 1, FULL)
