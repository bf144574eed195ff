"""stages of a run -> lines that say how many are done and how much time is left."""

import time
from collections.abc import Callable, Sequence

from mtl_bench.effort import Effort
from mtl_bench.workloads.length_profiles import PROFILES
from mtl_runtime.core.clock import spoken_duration

__all__ = ["ProgressEstimate", "plan_stages"]

# About how long stages take, compared with a round of one system. The first start of a system also looks for its
# fastest batch size; the scenarios at the end offer several rates and call a server many times.
_ROUND, _FIRST_START, _START, _FINAL = 1.0, 12.0, 3.0, 15.0
_EXTRA = 3.0
# Of the planned work: an estimate from less would mostly say how slow the first start was.
_LEAST_SHARE = 0.1


def plan_stages(systems: int, variants: int, effort: Effort) -> list[float]:
    """About how long each stage that a run logs takes, in their order: those of the table, then those of the extras.

    Args:
        systems: that are measured.
        variants: of ours, for the extras.
        effort: of the run.
    """
    rounds = [_ROUND * systems] * (2 * effort.rounds)
    table = [
        weight
        for launch in range(effort.launches)
        for weight in (*([_START if launch else _FIRST_START] * systems), *rounds)
    ]
    tasks_curve, roofline = 1 + effort.extra_rounds, variants + effort.extra_rounds
    extras = tasks_curve + roofline + len(PROFILES) + variants if effort.extras else 0
    return [*table, *([_FINAL] * systems), *([_EXTRA] * extras)]


class ProgressEstimate:
    """Adds to each line how many stages there are, and the time left if the rest goes on at the speed so far.

    Args:
        draw: shows a line.
        plan: about how long each stage takes, in any unit; a run may have more or fewer.
        clock: gives the seconds since some moment.
    """

    def __init__(
        self, draw: Callable[[str], None], plan: Sequence[float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._draw, self._plan, self._clock = draw, plan, clock
        self._done, self._start = 0, clock()

    def __call__(self, line: str) -> None:
        """A stage begins."""
        left, stages = "", len(self._plan)
        done, rest = sum(self._plan[: self._done]), sum(self._plan[self._done :])
        if rest and done >= _LEAST_SHARE * (done + rest):
            left = f", about {spoken_duration((self._clock() - self._start) * rest / done)} left"
        self._done += 1
        self._draw(f"{line} ({min(self._done, stages)} of {stages}{left})")
