"""How long the rest will take, from the work that log records carry."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.cli import stages as stages_module
from mtl_runtime.cli.stages import WorkEstimate, stages
from mtl_runtime.core.clock import spoken_duration
from mtl_runtime.core.work import planned_work, stage_work, step_work

log = logging.getLogger("mtl_runtime.gate.somewhere")


def record(extra):
    return logging.makeLogRecord(dict(extra))


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@given(st.lists(st.floats(1, 1000), min_size=3, max_size=12), st.floats(0.1, 5))
def test_the_time_left_is_what_the_rest_takes_if_it_goes_on_like_this(works, seconds_per_unit):
    clock = Clock()
    estimate = WorkEstimate(clock)
    estimate.note(record(planned_work(sum(works))))
    for number, units in enumerate(works):
        estimate.note(record(stage_work(units)))
        if clock.now >= 5:
            assert estimate.seconds_left == pytest.approx(sum(works[number:]) * seconds_per_unit)
        clock.now += units * seconds_per_unit


def test_work_that_comes_up_on_the_way_makes_the_rest_longer():
    clock = Clock()
    estimate = WorkEstimate(clock)
    estimate.note(record({**planned_work(200), **stage_work(100)}))
    clock.now = 10.0
    estimate.note(record(stage_work(100)))
    assert estimate.seconds_left == pytest.approx(10)
    estimate.note(record(stage_work(300, unplanned=True)))
    assert estimate.seconds_left == pytest.approx(15)


def test_within_a_stage_the_time_left_counts_down_to_what_the_stages_after_it_need():
    clock = Clock()
    estimate = WorkEstimate(clock)
    estimate.note(record({**planned_work(400), **stage_work(100)}))
    clock.now = 10.0
    estimate.note(record(stage_work(100)))
    left = []
    for clock.now in (10.0, 15.0, 20.0, 60.0):
        estimate.note(record({}))
        left.append(estimate.seconds_left)
    assert left == pytest.approx([30, 25, 20, 20])


@pytest.mark.parametrize(("seconds", "shown"), [(15.0, ["first"]), (0.0, ["first", "trial 1", "trial 2"])])
def test_of_many_like_steps_a_list_of_lines_shows_few(capsys, monkeypatch, seconds, shown):
    monkeypatch.setattr(stages_module._Lines, "seconds_between_steps", seconds)
    with stages():
        log.info("first", extra=stage_work(10))
        for number in (1, 2):
            log.info("trial %d", number, extra=step_work(10))
    assert capsys.readouterr().err.splitlines() == shown


def test_without_a_plan_or_in_the_first_seconds_nothing_is_guessed():
    clock = Clock()
    estimate = WorkEstimate(clock)
    assert estimate.seconds_left is None
    estimate.note(record(stage_work(1)))
    clock.now = 60.0
    estimate.note(record(stage_work(1)))
    assert estimate.seconds_left is None  # no plan
    early = WorkEstimate(clock)
    early.note(record({**planned_work(100), **stage_work(1)}))
    clock.now = 61.0
    early.note(record(stage_work(1)))
    assert early.seconds_left is None


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [
        (2, "10 seconds"),
        (38, "40 seconds"),
        (58, "1 minute"),
        (93, "1 minute 30 seconds"),
        (120, "2 minutes"),
        (148, "2 minutes 30 seconds"),
        (170, "2 minutes 50 seconds"),
        (178, "3 minutes"),
        (3600, "1 hour"),
        (4800, "1 hour 20 minutes"),
        (7260, "2 hours 1 minute"),
    ],
)
def test_a_duration_is_said_no_finer_than_it_is_known(seconds, spoken):
    assert spoken_duration(seconds) == spoken


def test_a_stage_without_a_terminal_says_how_long_the_rest_takes(capsys, monkeypatch):
    times = iter([0.0, 60.0, 60.0, 60.0, 60.0])
    monkeypatch.setattr(stages_module, "WorkEstimate", lambda: WorkEstimate(lambda: next(times)))
    with stages():
        log.info("two stages", extra=planned_work(40))
        log.info("first", extra=stage_work(10))
        log.info("second", extra=stage_work(30))
    assert capsys.readouterr().err == "two stages\nfirst\nsecond (about 3 minutes left)\n"
