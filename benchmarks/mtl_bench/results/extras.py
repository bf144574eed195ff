"""Records of the extra measurements that are not rows of the table: tasks curve, roofline, lengths, threads."""

from collections.abc import Mapping
from dataclasses import dataclass

from mtl_bench.results.scenarios import Values

__all__ = ["AchievedFlops", "Lengths", "Peak", "Roofline", "TasksCurve", "Threads"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksCurve:
    """N tasks as one graph against N separate models, with the same runtime, texts and precision."""

    variant: str
    counts: tuple[int, ...]  # N
    one_graph: Values  # seconds for all texts: by count, then by pass; every round has the same number of passes
    separate: Values  # by count, then by round
    texts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The fastest matrix product of this machine in one precision, through the provider that variants use."""

    provider: str
    precision: str
    shape: tuple[int, ...]  # rows, inner, columns
    flops: tuple[float, ...]  # per second, by round; a multiplication and an addition are two


@dataclass(frozen=True, slots=True, kw_only=True)
class AchievedFlops:
    """What a variant achieved in its offline run: products of real tokens only, padding not counted."""

    peak: str  # a key of Roofline.peaks
    flops: float  # of one pass over all texts
    seconds: tuple[float, ...]  # of a pass, by round


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """Achieved against possible (S. Williams et al., "Roofline", CACM 52(4), 2009), on the compute side."""

    peaks: Mapping[str, Peak]  # by a name such as "cpu int8"
    variants: Mapping[str, AchievedFlops]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Offline throughput by length profile."""

    profile: str
    texts: int
    tokens: int
    seconds: Mapping[str, tuple[float, ...]]  # for all texts, by variant and round


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """Offline throughput by number of cores, and by how they are divided among workers."""

    variant: str
    workers: int
    threads: int  # of each worker
    seconds: tuple[float, ...]  # for all texts, by round
