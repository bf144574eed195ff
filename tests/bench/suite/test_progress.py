"""Progress of a run: stages done, and time left."""

from mtl_bench.effort import FULL, QUICK
from mtl_bench.suite.progress import ProgressEstimate, plan_stages


def test_time_left_is_what_the_rest_takes_at_the_speed_so_far():
    clock, lines = iter([0.0, 30.0, 120.0]), []
    estimate = ProgressEstimate(lines.append, [1.0, 3.0, 1.0, 1.0], lambda: next(clock))
    for line in ("first", "second", "third"):
        estimate(line)
    assert lines == [
        "first (1 of 4)",
        "second (2 of 4, about 2 minutes 30 seconds left)",
        "third (3 of 4, about 1 minute left)",
    ]


def test_a_slow_first_start_is_not_taken_for_the_speed_of_all_stages():
    plan = plan_stages(2, 2, QUICK)
    clock, lines = iter([0.0, *(20.0 + 4 * number for number in range(len(plan)))]), []
    estimate = ProgressEstimate(lines.append, plan, lambda: next(clock))
    for _ in range(3):
        estimate("...")
    assert not any("left" in line for line in lines)


def test_more_stages_than_expected_are_still_shown():
    lines = []
    estimate = ProgressEstimate(lines.append, [1.0], lambda: 0.0)
    estimate("first")
    estimate("unforeseen")
    assert lines[-1] == "unforeseen (1 of 1)"


def test_a_further_system_is_more_stages_and_a_quick_run_has_fewer():
    assert len(plan_stages(3, 1, QUICK)) > len(plan_stages(2, 1, QUICK))
    assert len(plan_stages(2, 1, QUICK)) < len(plan_stages(2, 1, FULL))
