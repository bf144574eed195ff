"""Progress of a run: stages done, and time left."""

import re

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


def test_no_estimate_of_a_quick_run_is_far_off():
    """The stages of a run of two variants on two cores took about so many seconds."""
    rounds = [3.3] * 2 * QUICK.rounds
    seconds = [20.0, 20.0, *rounds, *[5.0, 5.0, *rounds] * (QUICK.launches - 1), 23.0, 23.0]
    starts, lines = [sum(seconds[:number]) for number in range(len(seconds))], []
    now = [0.0]
    estimate = ProgressEstimate(lines.append, plan_stages(2, 2, QUICK), lambda: now[0])
    for start in starts:
        now[0] = start
        estimate("...")
        if "left" in lines[-1]:
            (minutes, rest) = re.search(r"about (?:(\d+) minutes? ?)?(?:(\d+) seconds )?left", lines[-1]).groups("0")
            truth = sum(seconds) - start
            assert truth / 1.4 - 10 <= 60 * int(minutes) + int(rest) <= 1.4 * truth + 10
    assert sum("left" in line for line in lines) >= len(seconds) - 3


def test_more_stages_than_expected_are_still_shown():
    lines = []
    estimate = ProgressEstimate(lines.append, [1.0], lambda: 0.0)
    estimate("first")
    estimate("unforeseen")
    assert lines[-1] == "unforeseen (1 of 1)"


def test_a_further_system_is_more_stages_and_a_quick_run_has_fewer():
    assert len(plan_stages(3, 1, QUICK)) > len(plan_stages(2, 1, QUICK))
    assert len(plan_stages(2, 1, QUICK)) < len(plan_stages(2, 1, FULL))
