"""systems of two runs -> CostChanges: each cost tested, corrected for the number of tests, with a verdict."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_bench.compare.changes import CostChange, Verdict
from mtl_bench.compare.costs import COSTS, References, Sample, sample
from mtl_bench.compare.welch import Contrast, contrast, holm_levels
from mtl_bench.results.schema import SystemResult

__all__ = ["Pair", "cost_changes"]

Pair = tuple[SystemResult, SystemResult]  # of the same name in A and in B

_LEVEL = 0.05  # of all tests of ours together, and of all of the peers' together


@dataclass(frozen=True, slots=True)
class _TestedChange:
    change: CostChange  # without its verdict
    contrast: Contrast | None  # None: too few processes


def cost_changes(
    pairs: Mapping[str, Pair], references: tuple[References, References], threshold: float
) -> tuple[CostChange, ...]:
    """Compare every cost that was measured in both runs.

    Ours and peers are two families of tests: the number of peers must not decide whether a regression of ours is
    significant.

    Args:
        pairs: rows by system.
        references: of A and of B; empty: nothing is divided out.
        threshold: the smallest relative difference that counts.
    """
    tested = [change for name, pair in pairs.items() for change in _tested_changes(name, pair, references)]
    levels = {ours: iter(holm_levels(_ps(tested, ours), _LEVEL)) for ours in (True, False)}
    smallest = math.log1p(threshold)
    return tuple(
        _with_verdict(change.change, change.contrast, next(levels[change.change.ours]), smallest)
        if change.contrast is not None
        else change.change
        for change in tested
    )


def _tested_changes(name: str, pair: Pair, references: tuple[References, References]) -> Iterator[_TestedChange]:
    for key, cost in COSTS.items():
        if not cost.timed and _batch_sizes_differ(*pair):
            continue
        a, b = (sample(cost, row, reference) for row, reference in zip(pair, references, strict=True))
        if a is not None and b is not None:
            yield _TestedChange(_change(name, pair[0].kind == "ours", key, a, b), contrast(a, b))


def _batch_sizes_differ(a: SystemResult, b: SystemResult) -> bool:
    """Whether the sweeps chose different sizes: the memory of one size is no measure of another's."""
    return a.offline is not None and b.offline is not None and a.offline.size != b.offline.size


def _change(system: str, ours: bool, cost: str, a: Sample, b: Sample) -> CostChange:
    return CostChange(
        system=system,
        ours=ours,
        cost=cost,
        a=float(np.median(a.raw)),
        b=float(np.median(b.raw)),
        processes=(len(a.raw), len(b.raw)),
        ratio=math.exp(np.mean(b.logs) - np.mean(a.logs)),
    )


def _ps(tested: Sequence[_TestedChange], ours: bool) -> list[float]:
    return [change.contrast.p for change in tested if change.contrast is not None and change.change.ours == ours]


def _with_verdict(change: CostChange, tested: Contrast, level: float, smallest: float) -> CostChange:
    margin = tested.margin(level)
    return dataclasses.replace(
        change,
        verdict=_verdict(tested, level, smallest),
        low=math.exp(tested.difference - margin),
        high=math.exp(tested.difference + margin),
        confidence=1 - level,
        p=tested.p,
        detectable=math.exp(tested.detectable(level, smallest)),
    )


def _verdict(tested: Contrast, level: float, smallest: float) -> Verdict:
    if tested.p > level:
        return "same"
    if abs(tested.difference) < smallest:
        return "small"
    return "worse" if tested.difference > 0 else "better"
