"""Stages of a run: the records that announce them are also what measures them."""

import logging
import time

import pytest

from mtl_runtime.core.work import StageClock, stage_work, step_work


@pytest.fixture
def log():
    """A logger that a clock listens to, and the clock."""
    logger, clock = logging.getLogger("tests.stages"), StageClock()
    logger.setLevel(logging.INFO)
    logger.addHandler(clock)
    yield logger, clock
    logger.removeHandler(clock)


def test_a_stage_lasts_from_its_record_to_the_next_one(log):
    logger, clock = log
    logger.info("answering %d sentences", 3, extra=stage_work(3))
    time.sleep(0.02)
    logger.info("writing")
    first, second, last = clock.stages()
    assert [first.stage, second.stage, last.stage] == ["starting", "answering 3 sentences", "writing"]
    assert second.seconds >= 0.02 > second.cpu_seconds


def test_what_explains_a_stage_is_no_part_of_its_name(log):
    logger, clock = log
    logger.info("auto makes cpu-fp32; no cuda-fp16: there is no GPU")
    assert clock.stages()[-1].stage == "auto makes cpu-fp32"


def test_many_like_steps_are_one_stage_and_other_levels_are_none(log):
    logger, clock = log
    for number in range(3):
        logger.info("smoothing: trial %d of up to 3", number, extra=step_work(1))
        logger.warning("a warning in between")
    assert [stage.stage for stage in clock.stages()] == ["starting", "smoothing"]
