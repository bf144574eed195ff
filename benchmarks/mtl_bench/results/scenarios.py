"""Records of the scenarios in which one system is measured: offline, single stream, server, cold start, memory.

``Values`` are grouped by fresh process and then by round: processes differ more from each other than rounds of one do,
and a comparison that forgets that finds differences everywhere (A. Georges et al., "Statistically rigorous Java
performance evaluation", OOPSLA 2007).
"""

from dataclasses import dataclass, field
from typing import Literal

from mtl_runtime.core import records

__all__ = [
    "BatchUnit",
    "ColdStart",
    "Memory",
    "Offline",
    "Rate",
    "Server",
    "SingleStream",
    "SweepPoint",
    "Values",
]

Values = tuple[tuple[float, ...], ...]  # by fresh process, then by round
BatchUnit = Literal["texts", "tokens"]  # what the size of a batch counts


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """One candidate in the search for the fastest batch size."""

    size: int
    texts_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """All texts at once, as fast as possible (MLPerf inference's Offline scenario), from text to labels."""

    texts: int
    unit: BatchUnit
    size: int  # of a batch: the fastest of the sweep
    sweep: tuple[SweepPoint, ...] = field(metadata=records.keys("swept"))
    seconds: Values  # for all texts
    kernel_seconds: Values = ()  # for the same batches in the session alone, in the same rounds; empty: not separable


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleStream:
    """One text at a time, the next one after the answer (MLPerf's SingleStream)."""

    latencies: Values  # seconds of each text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Texts that arrive at random moments (Poisson), whether or not the earlier ones are answered."""

    offered: float  # texts per second
    latencies: tuple[float, ...]  # seconds from the moment at which a text was due
    kept_up: bool  # whether the percentile of the latencies stayed within the bound

    @property
    def queries(self) -> int:
        """Number of texts that arrived."""
        return len(self.latencies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The highest rate at which the 99th percentile stays within a bound (MLPerf's Server)."""

    bound: float  # seconds
    rates: tuple[Rate, ...]  # in the order tried
    best: float | None  # texts per second; None: no rate stayed within the bound


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Fresh processes, files in the page cache."""

    seconds: tuple[float, ...]  # from the start of the process to its first answer
    load_seconds: tuple[float, ...]  # the part of it from the first import to an open system


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of a system's process, in bytes; a tuple has one value for each fresh process."""

    loaded: tuple[int, ...]  # before the first text
    peak: tuple[int, ...]  # highest of the whole process
    soaked: tuple[int, ...] = ()  # after the soak; empty: no soak
    soak_calls: int = 0
    early: tuple[int, ...] = ()  # after a fifth of the soak
    device: tuple[int, ...] = ()  # on a GPU, after the rounds; empty: no GPU, or the driver does not report it
