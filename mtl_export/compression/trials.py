"""candidates of one size -> the best of them, by successive halving: many learn a little, few of them more.

K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016.
All candidates of a size are distilled on a few rows, the better half goes on with twice as many, until one is left.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtl_export.compression.candidates import Candidate

__all__ = ["FIRST_ROWS", "Trial", "count_trial_rows", "halve"]

_log = logging.getLogger(__name__)

FIRST_ROWS = 2048  # of a trial in the first round; in each further one there are twice as many


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate after a short distillation."""

    candidate: str
    rung: int
    rows: int
    divergence: float  # of its answers from the teacher's on the validation split, the mean over tasks


def halve(
    candidates: Sequence[Candidate], attempt: Callable[[Candidate, int, int], float], *, all_rows: int
) -> tuple[Candidate, tuple[Trial, ...]]:
    """Find the candidate whose answers are closest to the teacher's.

    Args:
        candidates: of one size, at least one; a single one needs no trial.
        attempt: distils a candidate further, in rung so-and-so on so many rows, and returns its divergence.
        all_rows: that there are.
    """
    trials: list[Trial] = []
    left = list(candidates)
    for rung, (_, rows) in enumerate(_rungs(len(candidates), all_rows)):
        measured: Mapping[str, float] = {one.name: attempt(one, rung, rows) for one in left}
        trials += [Trial(name, rung, rows, divergence) for name, divergence in measured.items()]
        ranked = sorted(left, key=lambda one: (measured[one.name], one.name))
        left = ranked[: (len(left) + 1) // 2]
        closest = ", ".join(f"{one.name} {measured[one.name]:.4f}" for one in ranked)
        _log.info("round %d, divergence from the teacher's answers, the closest first: %s", rung + 1, closest)
    return left[0], tuple(trials)


def count_trial_rows(candidates: int, all_rows: int) -> int:
    """Rows that so many candidates learn in all their trials together."""
    return sum(count * rows for count, rows in _rungs(candidates, all_rows))


def _rungs(candidates: int, all_rows: int) -> Iterator[tuple[int, int]]:
    """Of each round, how many candidates are in it and how many rows each of them learns."""
    rows = FIRST_ROWS
    while candidates > 1:
        yield candidates, min(all_rows, rows)
        candidates, rows = (candidates + 1) // 2, 2 * rows
