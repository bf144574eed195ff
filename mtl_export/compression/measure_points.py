"""bundles of a teacher and its students -> a point for each variant that may run here, timed in the same rounds."""

import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_export.bundling.export_bundle import Exported
from mtl_export.compression.points import TEACHER, Point, point_of
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.gate.speed import median_ratio, time_rounds
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.load import load

__all__ = ["measure_points"]

_log = logging.getLogger(__name__)

_ROUNDS = 9  # more than the gate has: here the order of students depends on it
_TEXTS = 512  # of a round
_ALONE = 48  # texts that are answered one by one, in each round


@dataclass(frozen=True, slots=True)
class _Runner:
    """A variant that is timed."""

    model: str
    variant: str
    exported: Exported
    classifier: Classifier


def measure_points(
    bundles: Mapping[str, Exported], work: Mapping[str, float], texts: Sequence[str], *, rounds: int = _ROUNDS
) -> tuple[Point, ...]:
    """Time all verified variants of all bundles, interleaved; speed is a multiple of the teacher's fastest variant.

    Args:
        bundles: by name; that of the teacher is :data:`mtl_export.compression.points.TEACHER`.
        work: of each, as a share of the teacher's.
        texts: sentences of the kind that will come.
        rounds: in which each answers the same sentences once.
    """
    runners = [
        _Runner(name, variant, exported, load(exported.bundle.path, variant=variant))
        for name, exported in bundles.items()
        for variant, evidence in exported.evidence.variants.items()
        if evidence.status == "verified"
    ]
    by_length = sorted(texts, key=len)
    sample, alone = evenly_spaced(by_length, _TEXTS), evenly_spaced(by_length, _ALONE)
    _log.info("timing %d variants in turn, %d rounds of %d sentences", len(runners), rounds, len(sample))
    seconds = time_rounds([runner.classifier for runner in runners], sample, rounds=rounds)
    single = _time_single_texts(runners, alone, rounds)
    fastest = min(
        (taken for runner, taken in zip(runners, seconds, strict=True) if runner.model == TEACHER),
        key=statistics.median,
    )
    return tuple(
        point_of(
            runner.model,
            runner.variant,
            runner.exported.evidence.variants[runner.variant],
            work=work[runner.model],
            speed=median_ratio([base / own for base, own in zip(fastest, taken, strict=True)]),
            texts_per_second=_rate(taken, len(sample)),
            p50_milliseconds=1000 * latency,
        )
        for runner, taken, latency in zip(runners, seconds, single, strict=True)
    )


def _rate(seconds: Sequence[float], texts: int) -> Estimate:
    return median_ratio([texts / taken for taken in seconds])


def _time_single_texts(runners: Sequence[_Runner], texts: Sequence[str], rounds: int) -> list[float]:
    """Median seconds of a text alone, all cores on it, in turn as well."""
    classifiers = [
        load(runner.exported.bundle.path, variant=runner.variant, optimize_for="latency") for runner in runners
    ]
    taken: list[list[float]] = [[] for _ in classifiers]
    for text in texts:
        for index, seconds in enumerate(time_rounds(classifiers, [text], rounds=rounds)):
            taken[index] += seconds
    return [float(np.median(own)) for own in taken]
