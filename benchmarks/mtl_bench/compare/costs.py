"""SystemResult, reference -> Sample: a cost of each fresh process, with the machine's speed divided out.

Rounds of one process share its memory layout, its compiled kernels and its moment, so they are no independent samples;
the process is, and its rounds are summarized by their median (T. Kalibera and R. Jones, "Rigorous benchmarking in
reasonable time", ISMM 2013).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from mtl_bench.analysis.summary import percentile
from mtl_bench.results.scenarios import Values
from mtl_bench.results.schema import Report, SystemResult
from mtl_runtime.errors import MtlError

__all__ = ["COSTS", "Cost", "References", "Sample", "reference_median", "references_of", "sample"]

# By the report's field; empty: nothing is divided out.
References = Mapping[str, Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Something of which a system should need little.

    Attributes:
        title: as tables name it.
        read: a row -> its values by fresh process and round; None: not measured.
        center: of one process's rounds.
        timed: whether a slower moment of the machine makes it larger.
        reference: the report's field with the reference that was timed in the same rounds.
        words: for less of it, and for more.
    """

    title: str
    read: Callable[[SystemResult], Values | None]
    center: Callable[[tuple[float, ...]], float]
    timed: bool = True
    reference: str = "reference_seconds"
    words: tuple[str, str] = ("faster", "slower")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One cost of one system in one run."""

    raw: tuple[float, ...]  # by process, in seconds or bytes
    logs: tuple[float, ...]  # by process, natural logarithms, of multiples of the reference where that is known
    # Logarithms of the reference by launch, where only its median could be divided out.
    reference_logs: tuple[float, ...] = ()


def sample(cost: Cost, result: SystemResult, references: References) -> Sample | None:
    """Read one cost of one row; None where it was not measured.

    Args:
        cost: what to read.
        result: of the run.
        references: of the same run; empty: nothing is divided out.

    Raises:
        MtlError: a value is not above 0, so nothing can be a multiple of it.
    """
    values = tuple(filter(None, cost.read(result) or ()))
    if not values:
        return None
    if min(map(min, values)) <= 0:
        raise MtlError(f"{result.title}: a value of {cost.title} is not above 0; measure that run again")
    raw = tuple(map(cost.center, values))
    if not cost.timed or not references:
        return Sample(raw=raw, logs=_logs(raw))
    # A peer may have run in the first launches only.
    reference = references.get(cost.reference, ())[: len(values)]
    if [*map(len, values)] == [*map(len, reference)]:
        return Sample(raw=raw, logs=_logs(map(cost.center, _quotients(values, reference))))
    if len(values) == len(reference):
        return Sample(raw=raw, logs=_logs(a / _median(b) for a, b in zip(raw, reference, strict=True)))
    offline = references["reference_seconds"]
    median = reference_median(offline)
    return Sample(raw=raw, logs=_logs(value / median for value in raw), reference_logs=_logs(map(_median, offline)))


def references_of(report: Report) -> References:
    """Seconds of the reference product in a run, by the field that holds them."""
    fields = ("reference_seconds", "stream_reference_seconds", "cold_reference_seconds")
    return {field: getattr(report, field) for field in fields}


def reference_median(reference: Values) -> float:
    """Seconds of the reference product in a whole run: the median over its launches."""
    return _median(tuple(map(_median, reference)))


def _offline(result: SystemResult) -> Values | None:
    if result.offline is None:
        return None
    texts = max(1, result.offline.texts)
    return tuple(tuple(seconds / texts for seconds in rounds) for rounds in result.offline.seconds)


def _latencies(result: SystemResult) -> Values | None:
    return result.single_stream.latencies if result.single_stream else None


def _cold_starts(result: SystemResult) -> Values | None:
    return tuple((seconds,) for seconds in result.cold_start.seconds) if result.cold_start else None


def _peaks(result: SystemResult) -> Values | None:
    return tuple((float(size),) for size in result.memory.peak) if result.memory else None


def _median(values: tuple[float, ...]) -> float:
    return float(np.median(values))


def _quotients(values: Values, reference: Values) -> list[tuple[float, ...]]:
    pairs = zip(values, reference, strict=True)
    return [tuple(value / seconds for value, seconds in zip(*pair, strict=True)) for pair in pairs]


def _logs(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(math.log(value) for value in values)


def _percentile(rank: int) -> Cost:
    return Cost(
        title=f"single-text p{rank}",
        read=_latencies,
        center=partial(percentile, rank=rank),
        reference="stream_reference_seconds",
    )


COSTS: dict[str, Cost] = {
    "offline": Cost(title="offline", read=_offline, center=_median),
    "p50": _percentile(50),
    "p99": _percentile(99),
    "cold_start": Cost(title="cold start", read=_cold_starts, center=_median, reference="cold_reference_seconds"),
    "peak_memory": Cost(title="peak memory", read=_peaks, center=_median, timed=False, words=("less", "more")),
}
