"""systems of two runs -> CostChanges: each cost tested, corrected for the number of tests, judged by the threshold."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_bench.compare.changes import CostChange, Verdict
from mtl_bench.compare.costs import COSTS, References, Sample, sample
from mtl_bench.compare.welch import Contrast, contrast, holm
from mtl_bench.results.schema import SystemResult

__all__ = ["Pair", "cost_changes"]

Pair = tuple[SystemResult, SystemResult]  # of the same name in A and in B

_LEVEL = 0.05  # of all tests of ours together, and of all of the peers' together


@dataclass(frozen=True, slots=True)
class _Measured:
    change: CostChange  # not judged yet
    contrast: Contrast | None  # None: too few processes


def cost_changes(
    pairs: Mapping[str, Pair], references: tuple[References, References], threshold: float
) -> tuple[CostChange, ...]:
    """Compare every cost that was measured in both runs.

    Ours and peers are two families of tests: how many peers were measured shall not decide whether a regression of ours
    is found.

    Args:
        pairs: rows by system.
        references: of A and of B; empty: nothing is divided out.
        threshold: the smallest relative difference that counts.
    """
    found = [measured for name, pair in pairs.items() for measured in _measured(name, pair, references)]
    levels = {ours: iter(holm(_ps(found, ours), _LEVEL)) for ours in (True, False)}
    return tuple(_judged(one, levels[one.change.ours], math.log1p(threshold)) for one in found)


def _measured(name: str, pair: Pair, references: tuple[References, References]) -> Iterator[_Measured]:
    for cost, reading in COSTS.items():
        if not reading.timed and _batches_differ(*pair):
            continue
        a, b = (sample(reading, row, reference) for row, reference in zip(pair, references, strict=True))
        if a is not None and b is not None:
            yield _Measured(_change(name, pair[0].kind == "ours", cost, a, b), contrast(a, b))


def _batches_differ(a: SystemResult, b: SystemResult) -> bool:
    """Whether the sweeps chose otherwise: what a batch takes says nothing of what another takes."""
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


def _ps(found: Sequence[_Measured], ours: bool) -> list[float]:
    return [one.contrast.p for one in found if one.contrast is not None and one.change.ours == ours]


def _judged(one: _Measured, levels: Iterator[float], least: float) -> CostChange:
    found = one.contrast
    if found is None:
        return one.change
    level = next(levels)
    margin = found.margin(level)
    return dataclasses.replace(
        one.change,
        verdict=_verdict(found, level, least),
        low=math.exp(found.difference - margin),
        high=math.exp(found.difference + margin),
        confidence=1 - level,
        p=found.p,
        detectable=math.exp(found.detectable(level, least)),
    )


def _verdict(found: Contrast, level: float, least: float) -> Verdict:
    if found.p > level:
        return "same"
    if abs(found.difference) < least:
        return "small"
    return "worse" if found.difference > 0 else "better"
