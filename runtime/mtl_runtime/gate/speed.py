"""two classifiers + texts -> how much faster the first is: ratios of interleaved rounds, never of two separate runs."""

import math
import time
from collections.abc import Sequence

import numpy as np

from mtl_runtime.core.machine import machine_facts
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.inference.classifier import Classifier

__all__ = ["FEW_ROUNDS", "ROUNDS", "SPEED_TEXTS", "measure_speed", "median_ratio", "reason_not_timed", "time_rounds"]

SPEED_TEXTS = 128
ROUNDS = 7  # the 95 % interval of a median needs six
FEW_ROUNDS = 3  # for a variant that is refused anyway: an order of magnitude for its curve


def measure_speed(
    candidate: Classifier, baseline: Classifier, texts: Sequence[str], *, rounds: int = ROUNDS
) -> Estimate:
    """Throughput of ``candidate`` as a multiple of ``baseline``'s, text to logits, both warmed up.

    Each round times both on the same texts, the order alternating, so that what slows the machine slows both.
    """
    # A handful of texts would time little but the clock.
    sample = evenly_spaced(list(texts) * math.ceil(SPEED_TEXTS / len(texts)), SPEED_TEXTS)
    before, after = time_rounds([baseline, candidate], sample, rounds=rounds)
    return median_ratio([old / new for old, new in zip(before, after, strict=True)])


def time_rounds(classifiers: Sequence[Classifier], texts: Sequence[str], *, rounds: int = ROUNDS) -> list[list[float]]:
    """Seconds in which each classifier answers ``texts``, round by round, after one pass that does not count.

    A round times all of them, each second round in the opposite order.
    """
    for classifier in classifiers:  # `mtl verify` may have opened the baseline for this alone
        classifier.logits(texts)
    seconds: list[list[float]] = [[] for _ in classifiers]
    for number in range(rounds):
        order = range(len(classifiers))
        for index in reversed(order) if number % 2 else order:
            seconds[index].append(_seconds(classifiers[index], texts))
    return seconds


def reason_not_timed(*, sums_fit_16_bits: bool) -> str | None:
    """Why the speed of a variant says nothing here: 7-bit weights are for processors on which 8 bits are slower."""
    if sums_fit_16_bits and not machine_facts().saturates_int8:
        return "not measured here: it is made for x86 processors without VNNI"
    return None


def median_ratio(ratios: Sequence[float]) -> Estimate:
    """Median with the narrowest interval of order statistics that holds it with at least 95 % (sign test).

    With fewer than 6 ratios no such interval exists, and the range is given.
    """
    ordered = np.sort(np.asarray(ratios, dtype=np.float64))
    skipped = _skippable(len(ordered))
    return Estimate(
        median=float(np.median(ordered)),
        low=float(ordered[skipped]),
        high=float(ordered[-1 - skipped]),
        n=len(ordered),
    )


def _skippable(count: int) -> int:
    """How many values may be left out at each end: at most so many heads in ``count`` throws are rarer than 2.5 %."""
    chance, skipped = 0.0, 0
    for heads in range(count // 2):
        chance += math.comb(count, heads) / 2**count
        if chance > 0.025:
            break
        skipped = heads
    return skipped


def _seconds(classifier: Classifier, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    classifier.logits(texts)
    return time.perf_counter() - start
