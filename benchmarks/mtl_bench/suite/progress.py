"""steps of a run -> lines that tell how much is done and how much time is left."""

import time
from collections.abc import Callable

from mtl_bench.suite.effort import Effort
from mtl_bench.workloads.length_profiles import PROFILES
from mtl_runtime.cli.terminal import duration

__all__ = ["ProgressEstimate", "steps_of"]


def steps_of(systems: int, variants: int, amounts: Effort) -> int:
    """Steps that a run tells: those of the table for each system, and those of the parts for each variant of ours."""
    table = amounts.sittings * (systems + 2 * amounts.rounds) + systems
    # The curve, the roofline, and the axes.
    parts = 1 + amounts.part_rounds + variants + amounts.part_rounds + len(PROFILES) + variants
    return table + (parts if amounts.parts else 0)


class ProgressEstimate:
    """Adds to each line how many steps there are, and the time left if the rest goes as what is done.

    Args:
        tell: takes the lines.
        steps: expected in all.
        clock: tells the seconds since some moment.
    """

    def __init__(self, tell: Callable[[str], None], steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._steps, self._clock = tell, steps, clock
        self._done, self._start = 0, clock()

    def __call__(self, line: str) -> None:
        """A step begins."""
        left = ""
        if 0 < self._done < self._steps:
            left = f", about {duration((self._clock() - self._start) * (self._steps / self._done - 1))} left"
        self._done += 1
        self._tell(f"{line} ({min(self._done, self._steps)} of {self._steps}{left})")
