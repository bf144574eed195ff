"""two Samples -> Contrast: how far apart their mean logarithms lie, and how certain that is."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_bench.analysis.students_t import critical_value, two_sided_p
from mtl_bench.compare.costs import Sample

__all__ = ["Contrast", "contrast", "holm_levels"]

_ROUNDING = 1e-9  # no measurement repeats to more digits, and equal values shall not differ by those of a logarithm
_MISSED = 0.2  # share of true differences of the detectable size that a run of this size would not show


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Mean logarithm of B less that of A; its exponential is the ratio of geometric means."""

    difference: float
    error: float  # standard error of the difference
    degrees: float  # of freedom

    @property
    def p(self) -> float:
        """Probability of a difference at least as large where there is none."""
        return two_sided_p(self.difference / self.error, self.degrees)

    def margin(self, level: float) -> float:
        """Half the width of the interval that misses the true difference with probability ``level``."""
        return critical_value(level, self.degrees) * self.error

    def detectable(self, level: float, smallest: float) -> float:
        """The smallest true difference that four of five such pairs of runs would show.

        The multiple of the standard error is that of H. S. Bloom, "Minimum detectable effects", Evaluation Review 19
        (1995) 547-556. A difference that counts must also exceed ``smallest``.
        """
        return max(self.margin(level), smallest) + self.margin(2 * _MISSED)


def contrast(a: Sample, b: Sample) -> Contrast | None:
    """B. L. Welch's test for unequal variances (Biometrika 34 (1947) 28-35); None: too few processes for a variance.

    Where only a run's median reference could be divided out, the values may all come from one moment of the machine, as
    fast or slow as any launch was: the spread of the launches is added to the error, undivided. Without such a part it
    is scipy.stats.ttest_ind(b, a, equal_var=False).
    """
    parts = [part for side in (a, b) for part in _variances(side)]
    if any(degrees < 1 for _, degrees in parts):
        return None
    total = sum(variance for variance, _ in parts)
    weights = sum(variance**2 / degrees for variance, degrees in parts)
    return Contrast(
        difference=float(np.mean(b.logs) - np.mean(a.logs)),
        error=max(math.sqrt(total), _ROUNDING),
        degrees=total**2 / weights if weights > 0 else float(sum(degrees for _, degrees in parts)),
    )


def holm_levels(ps: Sequence[float], level: float) -> list[float]:
    """For each of several tests the level that it must pass, so that one error in all is as rare as ``level``.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979) 65-70: the smallest
    p is compared with ``level`` divided by the number of tests, the next with one test less, up to the first that
    fails; all others are compared with that one's level. A test is significant where its p does not exceed its level.
    """
    levels = [level] * len(ps)
    left, failed = len(ps), False
    for index in sorted(range(len(ps)), key=ps.__getitem__):
        levels[index] = level / left
        failed = failed or ps[index] > levels[index]
        left -= not failed
    return levels


def _variances(side: Sample) -> Iterator[tuple[float, int]]:
    """Variances that add up to that of the side's mean, each with its degrees of freedom."""
    count = len(side.logs)
    yield (float(np.var(side.logs, ddof=1)) / count if count > 1 else 0.0), count - 1
    if side.reference_logs:
        references = len(side.reference_logs)
        yield (float(np.var(side.reference_logs, ddof=1)) if references > 1 else 0.0), references - 1
