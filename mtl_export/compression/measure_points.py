"""bundles of a teacher and its students -> a point for each variant that may run here, timed in the same rounds."""

import logging
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_export.bundling.export_bundle import Exported
from mtl_export.compression.points import TEACHER, Point, point_of
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.gate.speed import SPEED_TEXTS, median_ratio, time_rounds
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.load import load
from mtl_runtime.providers.execution_config import OptimizeFor
from mtl_runtime.report.number_format import plural

__all__ = ["measure_points"]

_log = logging.getLogger(__name__)

_ROUNDS = 9  # more than the gate has: here the order of students depends on it
_TEXTS = 512  # of a round
_ALONE = 48  # texts that are answered one by one, in each round


@dataclass(frozen=True, slots=True)
class _Timed:
    """A variant that is timed."""

    model: str
    variant: str
    exported: Exported

    def load(self, optimize_for: OptimizeFor) -> Classifier:
        return load(self.exported.bundle.path, variant=self.variant, optimize_for=optimize_for)


def measure_points(
    bundles: Mapping[str, Exported], work: Mapping[str, float], texts: Sequence[str], *, rounds: int = _ROUNDS
) -> tuple[Point, ...]:
    """Time all variants of all bundles, interleaved; speed is a multiple of the teacher's fastest variant.

    Those that are not verified are left out, and those that were made for other processors, which `load` does not take.

    Args:
        bundles: by name; that of the teacher is :data:`mtl_export.compression.points.TEACHER`.
        work: of each, as a share of the teacher's.
        texts: sentences of the kind that will come.
        rounds: in which each answers the same sentences once.
    """
    timed = [
        _Timed(name, variant, exported)
        for name, exported in bundles.items()
        for variant, evidence in exported.evidence.variants.items()
        if evidence.status == "verified" and evidence.not_timed is None
    ]
    by_length = sorted(texts, key=len)
    alone = evenly_spaced(by_length, _ALONE)
    sample = evenly_spaced(by_length * math.ceil(SPEED_TEXTS / len(by_length)), _TEXTS)
    _log.info("timing %s in turn, %d rounds of %d sentences", plural(len(timed), "variant"), rounds, len(sample))
    seconds = time_rounds([one.load("throughput") for one in timed], sample, rounds=rounds)
    single = _time_single_texts([one.load("latency") for one in timed], alone, rounds)
    fastest = min(
        (taken for one, taken in zip(timed, seconds, strict=True) if one.model == TEACHER), key=statistics.median
    )
    return tuple(
        point_of(
            one.model,
            one.variant,
            one.exported.evidence.variants[one.variant],
            work=work[one.model],
            speed=median_ratio([base / own for base, own in zip(fastest, taken, strict=True)]),
            texts_per_second=_rate(taken, len(sample)),
            p50_milliseconds=1000 * latency,
        )
        for one, taken, latency in zip(timed, seconds, single, strict=True)
    )


def _rate(seconds: Sequence[float], texts: int) -> Estimate:
    return median_ratio([texts / taken for taken in seconds])


def _time_single_texts(classifiers: Sequence[Classifier], texts: Sequence[str], rounds: int) -> list[float]:
    """Median seconds of a text alone, all cores on it, in turn as well."""
    taken: list[list[float]] = [[] for _ in classifiers]
    for text in texts:
        for index, seconds in enumerate(time_rounds(classifiers, [text], rounds=rounds)):
            taken[index] += seconds
    return [float(np.median(own)) for own in taken]
