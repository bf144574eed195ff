"""How much work a run has: log records carry it, so that the command line can say how long the rest will take.

The unit is one sentence answered once by cpu-fp32; what takes longer is given as so many of them.
"""

from collections.abc import Mapping

__all__ = ["PLANNED", "STAGE", "STEP", "planned_work", "stage_work", "step_work"]

PLANNED, STAGE, STEP = "planned_work", "stage_work", "step_of_stage"  # attributes of a log record


def planned_work(units: float) -> Mapping[str, float]:
    """The ``extra`` of a log record from which on a run has ``units`` more to do than it said before."""
    return {PLANNED: units}


def stage_work(units: float, *, unplanned: bool = False) -> Mapping[str, float]:
    """The ``extra`` of a log record whose stage begins now and is ``units`` long; ``unplanned`` if no plan has it."""
    return {STAGE: units, **(planned_work(units) if unplanned else {})}


def step_work(units: float) -> Mapping[str, float]:
    """The ``extra`` of a record about one of many like steps, ``units`` long; a list of stages shows few of them."""
    return {STAGE: units, STEP: True}
