"""How much work a run has: log records carry it, so that the command line can say how long the rest will take.

The same records are the stages of the run, whose seconds :class:`StageClock` measures.

The unit is one sentence answered once by cpu-fp32; what takes longer is given as so many of them.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = [
    "PLANNED",
    "STAGE",
    "STEP",
    "StageClock",
    "StageSeconds",
    "StepThrottle",
    "planned_work",
    "stage_work",
    "step_work",
]

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


@dataclass(slots=True)
class StepThrottle:
    """Lets through all log records but those of many like steps that come too soon after the one shown last."""

    seconds: float
    _steps_from: float = field(default=0.0, init=False)  # when the next step is shown

    def lets_through(self, record: logging.LogRecord) -> bool:
        """Whether a record that has come now is shown."""
        if getattr(record, STEP, False) and time.monotonic() < self._steps_from:
            return False
        self._steps_from = time.monotonic() + self.seconds
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeconds:
    """How long a stage took."""

    stage: str
    seconds: float
    cpu_seconds: float  # of all cores, by this process alone


class StageClock(logging.Handler):
    """Measures the stages that INFO records announce, each from its record to the next one's.

    Many like steps are one stage, named by what their messages begin with. A name ends at a semicolon.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._starts = [("starting", time.perf_counter(), time.process_time())]

    def emit(self, record: logging.LogRecord) -> None:
        """Begin the stage of an INFO record; other levels begin none."""
        if record.levelno != logging.INFO:
            return
        try:
            name = record.getMessage()
        except Exception:  # noqa: BLE001 - as every handler of logging: a broken message must not end the command
            self.handleError(record)
            return
        name = name.partition(":" if getattr(record, STEP, False) else ";")[0]
        if name != self._starts[-1][0]:
            self._starts.append((name, time.perf_counter(), time.process_time()))

    def stages(self) -> Sequence[StageSeconds]:
        """The stages so far, in their order; the last one ends now."""
        ends = [*self._starts[1:], ("", time.perf_counter(), time.process_time())]
        return tuple(
            StageSeconds(stage=name, seconds=end - start, cpu_seconds=cpu_end - cpu_start)
            for (name, start, cpu_start), (_, end, cpu_end) in zip(self._starts, ends, strict=True)
        )
