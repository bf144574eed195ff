"""Outcomes of paired rows -> a difference with its bootstrap interval."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "paired_bootstrap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A difference and where it lies with 95 % confidence, in the statistic's own unit."""

    difference: float
    low: float
    high: float


def paired_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float], rows: int, *, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """95 % percentile interval of a statistic of paired rows (B. Efron, Annals of Statistics 7 (1979) 1-26).

    scipy.stats.bootstrap would hold the indices of all resamples at once, and refuses a single row.

    Args:
        statistic: difference of two systems on the rows with these indices, both systems on the same rows.
        rows: number of rows.
        resamples: number of samples of ``rows`` rows, drawn with replacement.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    values = [statistic(generator.integers(0, rows, rows)) for _ in range(resamples)]
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(difference=statistic(np.arange(rows)), low=float(low), high=float(high))
