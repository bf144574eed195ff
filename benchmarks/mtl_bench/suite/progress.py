"""stages of a run -> lines that say how many are done and how much time is left."""

import time
from collections.abc import Callable

from mtl_bench.effort import Effort
from mtl_bench.workloads.length_profiles import PROFILES
from mtl_runtime.cli.terminal import duration

__all__ = ["ProgressEstimate", "count_stages"]


def count_stages(systems: int, variants: int, effort: Effort) -> int:
    """Stages that a run logs: those of the table by system, and those of the extras by variant of ours."""
    table = effort.launches * (systems + 2 * effort.rounds) + systems
    tasks_curve, roofline = 1 + effort.extra_rounds, variants + effort.extra_rounds
    lengths, threads = len(PROFILES), variants
    return table + (tasks_curve + roofline + lengths + threads if effort.extras else 0)


class ProgressEstimate:
    """Adds to each line how many stages there are, and the time left if the rest takes as long as what is done.

    Args:
        draw: shows a line.
        stages: expected in all.
        clock: gives the seconds since some moment.
    """

    def __init__(self, draw: Callable[[str], None], stages: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._draw, self._stages, self._clock = draw, stages, clock
        self._done, self._start = 0, clock()

    def __call__(self, line: str) -> None:
        """A stage begins."""
        left = ""
        if 0 < self._done < self._stages:
            left = f", about {duration((self._clock() - self._start) * (self._stages / self._done - 1))} left"
        self._done += 1
        self._draw(f"{line} ({min(self._done, self._stages)} of {self._stages}{left})")
