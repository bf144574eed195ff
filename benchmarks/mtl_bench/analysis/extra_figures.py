"""a part of a Report -> its derived figures: times of one task, shares of a peak, texts per second."""

from collections.abc import Mapping, Sequence

import numpy as np

from mtl_bench.results.schema import Roofline, TasksCurve
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.gate.speed import median_ratio

__all__ = ["flat_within", "peak_shares", "per_second", "times_of_one"]


def times_of_one(curve: TasksCurve) -> Mapping[str, tuple[Estimate, ...]]:
    """Seconds of each count as a multiple of one graph's at the first count; by side, then by count.

    One graph is compared pass by pass, separate models round by round with the median of the round's passes.
    """
    first = curve.one_graph[0] if curve.one_graph else ()
    passes = max(1, len(first) // max(1, len(curve.separate[0]))) if curve.separate else 1
    in_rounds = [float(np.median(first[start : start + passes])) for start in range(0, len(first), passes)]
    return {
        "one graph": tuple(_against(first, seconds) for seconds in curve.one_graph),
        "separate models": tuple(_against(in_rounds, laps) for laps in curve.separate),
    }


def flat_within(ratios: Sequence[Estimate]) -> float:
    """The most that a median of these strays from 1, as a share of 1."""
    return max(abs(ratio.median - 1) for ratio in ratios)


def peak_shares(roofline: Roofline) -> Mapping[str, Estimate]:
    """What a variant achieved as a share of the median peak of its precision."""
    return {
        variant: median_ratio([useful.flops / seconds / _peak(roofline, useful.peak) for seconds in useful.seconds])
        for variant, useful in roofline.variants.items()
        if useful.peak in roofline.peaks
    }


def per_second(amount: float, seconds: Sequence[float]) -> Estimate:
    """Of texts or tokens, over rounds."""
    return median_ratio([amount / some for some in seconds])


def _against(first: Sequence[float], rounds: Sequence[float]) -> Estimate:
    return median_ratio([b / a for a, b in zip(first, rounds, strict=False)])


def _peak(roofline: Roofline, name: str) -> float:
    return float(np.median(roofline.peaks[name].flops))
