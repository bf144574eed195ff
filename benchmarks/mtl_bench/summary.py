"""SystemResult -> Summary: the few figures of a row, each a median with its 95 % interval."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from mtl_bench.schema import Report, SystemResult, Values
from mtl_runtime.evidence import Ratio
from mtl_runtime.gate.speed import median_ratio

__all__ = ["PERCENTILES", "Summary", "percentile", "pooled", "speed_against", "summary"]

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Derived figures; None where nothing was measured. ``Ratio`` is a median with its interval, in the unit named."""

    throughput: Ratio | None = None  # offline, texts per second
    kernel_share: Ratio | None = None  # time of the session alone as a share of the whole
    latency: Mapping[int, Ratio] = field(default_factory=dict)  # seconds by percentile, over fresh processes
    server_rate: float | None = None  # texts per second within the bound
    cold_start: Ratio | None = None  # seconds
    load: Ratio | None = None  # seconds
    peak_bytes: int | None = None  # median over fresh processes
    size_bytes: int | None = None


def summary(result: SystemResult) -> Summary:
    """Summarize one row."""
    offline, memory, cold = result.offline, result.memory, result.cold_start
    return Summary(
        throughput=median_ratio([offline.texts / seconds for seconds in pooled(offline.seconds)]) if offline else None,
        kernel_share=_kernel_share(offline.seconds, offline.kernel_seconds) if offline else None,
        latency=_latency(result.single_stream.latencies) if result.single_stream else {},
        server_rate=result.server.best if result.server else None,
        cold_start=median_ratio(cold.seconds) if cold else None,
        load=median_ratio(cold.load_seconds) if cold else None,
        peak_bytes=int(np.median(memory.peak)) if memory else None,
        size_bytes=result.size_bytes,
    )


def speed_against(report: Report, name: str, other: str) -> Ratio | None:
    """Offline throughput of ``name`` as a multiple of ``other``'s, round by round; None: one was not measured."""
    sides = [report.systems[system].offline for system in (name, other)]
    if any(side is None for side in sides):
        return None
    ours, theirs = (pooled(side.seconds) for side in sides if side is not None)
    # Rounds are interleaved, so those of one number belong together; a system that lost a process has fewer.
    return median_ratio([b / a for a, b in zip(ours, theirs, strict=False)])


def percentile(values: Sequence[float], rank: float) -> float:
    """The smallest value that at least ``rank`` per cent of all do not exceed (nearest rank, as MLPerf's loadgen)."""
    return float(np.percentile(values, rank, method="inverted_cdf"))


def pooled(values: Values) -> list[float]:
    """Those of all processes, in order."""
    return list(chain.from_iterable(values))


def _kernel_share(whole: Values, kernel: Values) -> Ratio | None:
    if not kernel:
        return None
    return median_ratio(_quotients(pooled(kernel), pooled(whole)))


def _latency(latencies: Values) -> dict[int, Ratio]:
    return {rank: median_ratio([percentile(some, rank) for some in latencies]) for rank in PERCENTILES}


def _quotients(numerators: Iterable[float], denominators: Iterable[float]) -> list[float]:
    return [a / b for a, b in zip(numerators, denominators, strict=True)]
