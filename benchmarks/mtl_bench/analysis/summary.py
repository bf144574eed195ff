"""SystemResult -> Summary: the few figures of a row, each a median over fresh processes with its 95 % interval."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from mtl_bench.analysis.students_t import critical_value
from mtl_bench.results.scenarios import Server, Values
from mtl_bench.results.schema import Report, SystemResult
from mtl_runtime.evidence.schema import Estimate

__all__ = ["PERCENTILES", "Summary", "flatten", "percentile", "process_estimate", "relative_speed", "summarize"]

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Figures of one row; None where nothing was measured. Each estimate is a :func:`process_estimate`."""

    throughput: Estimate | None = None  # offline, texts per second
    kernel_share: Estimate | None = None  # time of the session alone as a share of the whole
    latency: Mapping[int, Estimate] = field(default_factory=dict)  # seconds by percentile
    server_rate: float | None = None  # texts per second within the bound
    server_limit: float | None = None  # the lowest rate above it that was tried and did not stay within the bound
    cold_start: Estimate | None = None  # seconds
    load: Estimate | None = None  # seconds
    peak_bytes: int | None = None
    size_bytes: int | None = None


def summarize(result: SystemResult) -> Summary:
    """The summary of one row."""
    offline, memory, cold = result.offline, result.memory, result.cold_start
    return Summary(
        throughput=process_estimate([offline.texts / np.median(rounds) for rounds in offline.seconds])
        if offline
        else None,
        kernel_share=_kernel_share(offline.seconds, offline.kernel_seconds) if offline else None,
        latency=_latency(result.single_stream.latencies) if result.single_stream else {},
        server_rate=result.server.best if result.server else None,
        server_limit=_server_limit(result.server) if result.server else None,
        cold_start=process_estimate(cold.seconds) if cold else None,
        load=process_estimate(cold.load_seconds) if cold else None,
        peak_bytes=int(np.median(memory.peak)) if memory and memory.peak else None,
        size_bytes=result.size_bytes,
    )


def relative_speed(report: Report, name: str, baseline: str) -> Estimate | None:
    """Offline throughput of ``name`` as a multiple of ``baseline``'s; None: one of them was not measured.

    Rounds of the same number ran one after the other, so that a slower moment hit both: in each pair of processes the
    median of their rounds' ratios is taken.
    """
    sides = [report.systems[system].offline for system in (name, baseline)]
    if any(side is None for side in sides):
        return None
    own, other = (side.seconds for side in sides if side is not None)
    # A system that lost a process has fewer.
    return process_estimate([_median_quotient(b, a) for a, b in zip(own, other, strict=False)])


def process_estimate(figures: Sequence[float]) -> Estimate:
    """The median of a figure above 0 that each fresh process gave, with a 95 % interval.

    Rounds of one process are no independent samples, so the interval is that of Student's t for the mean logarithm of
    the processes. A single process has no interval: both ends are its own figure.
    """
    median, count = float(np.median(figures)), len(figures)
    if count < 2:
        return Estimate(median=median, low=median, high=median, n=count)
    logs = np.log(figures)
    margin = critical_value(0.05, count - 1) * float(np.std(logs, ddof=1)) / math.sqrt(count)
    low, high = (math.exp(float(np.mean(logs)) + side) for side in (-margin, margin))
    return Estimate(median=median, low=min(low, median), high=max(high, median), n=count)


def percentile(values: Sequence[float], rank: float) -> float:
    """The smallest value that at least ``rank`` per cent of all do not exceed (nearest rank, as MLPerf's loadgen)."""
    return float(np.percentile(values, rank, method="inverted_cdf"))


def flatten(values: Values) -> list[float]:
    """Values of all processes, in order."""
    return list(chain.from_iterable(values))


def _server_limit(server: Server) -> float | None:
    above = [rate.offered for rate in server.rates if not rate.kept_up and rate.offered > (server.best or 0)]
    return min(above, default=None)


def _kernel_share(seconds: Values, kernel_seconds: Values) -> Estimate | None:
    if not kernel_seconds:
        return None
    pairs = zip(kernel_seconds, seconds, strict=True)
    return process_estimate([_median_quotient(kernel, whole) for kernel, whole in pairs])


def _latency(latencies: Values) -> dict[int, Estimate]:
    return {rank: process_estimate([percentile(of_process, rank) for of_process in latencies]) for rank in PERCENTILES}


def _median_quotient(numerators: Iterable[float], denominators: Iterable[float]) -> float:
    return float(np.median([a / b for a, b in zip(numerators, denominators, strict=False)]))
