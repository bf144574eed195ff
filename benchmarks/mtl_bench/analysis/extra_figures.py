"""An extra of a Report -> its figures: multiples of one task, shares of a peak, texts per second."""

from collections.abc import Mapping, Sequence

import numpy as np

from mtl_bench.results.extras import Roofline, TasksCurve
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.gate.speed import median_ratio

__all__ = ["multiples_of_one_task", "peak_shares", "per_second", "widest_deviation"]


def multiples_of_one_task(curve: TasksCurve) -> Mapping[str, tuple[Estimate, ...]]:
    """Seconds of each count as a multiple of one graph's at the first count; by side, then by count.

    One graph is compared pass by pass, separate models round by round with the median of the round's passes.
    """
    first = curve.one_graph[0] if curve.one_graph else ()
    passes = max(1, len(first) // max(1, len(curve.separate[0]))) if curve.separate else 1
    by_round = [float(np.median(first[start : start + passes])) for start in range(0, len(first), passes)]
    return {
        "one graph": tuple(_multiple(first, seconds) for seconds in curve.one_graph),
        "separate models": tuple(_multiple(by_round, seconds) for seconds in curve.separate),
    }


def widest_deviation(ratios: Sequence[Estimate]) -> float:
    """The furthest that one of these medians lies from 1, as a share of 1."""
    return max(abs(ratio.median - 1) for ratio in ratios)


def peak_shares(roofline: Roofline) -> Mapping[str, Estimate]:
    """What each variant achieved as a share of the peak of its precision, round by round.

    Both were timed in the same rounds, so that a slower moment of the machine does not show.
    """
    return {
        variant: median_ratio(
            [
                achieved.flops / seconds / peak
                for seconds, peak in zip(achieved.seconds, roofline.peaks[achieved.peak].flops, strict=False)
            ]
        )
        for variant, achieved in roofline.variants.items()
        if achieved.peak in roofline.peaks
    }


def per_second(count: float, seconds: Sequence[float]) -> Estimate:
    """Texts, tokens or operations per second, over rounds."""
    return median_ratio([count / of_round for of_round in seconds])


def _multiple(first: Sequence[float], seconds: Sequence[float]) -> Estimate:
    return median_ratio([b / a for a, b in zip(first, seconds, strict=False)])
