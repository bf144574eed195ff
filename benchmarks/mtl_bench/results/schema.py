"""results.json <-> Report: every raw value of a benchmark run, the machine and the moment; summaries are derived.

Version 1. A value is kept as it was measured, in seconds, bytes or a fraction of 1, never rounded. ``Values`` are
grouped by fresh process and then by round: processes differ more from each other than rounds of one do, and a
comparison that forgets that finds differences everywhere (A. Georges et al., "Statistically rigorous Java performance
evaluation", OOPSLA 2007).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.machine import MachineFacts

__all__ = [
    "SCHEMA_VERSION",
    "AchievedFlops",
    "Answers",
    "ColdStart",
    "Conditions",
    "Lengths",
    "Memory",
    "Offline",
    "Peak",
    "Rate",
    "Report",
    "Roofline",
    "Server",
    "SingleStream",
    "Swept",
    "SystemResult",
    "TasksCurve",
    "Threads",
    "Unit",
    "Values",
    "WorkloadFacts",
]

SCHEMA_VERSION = 1

Values = tuple[tuple[float, ...], ...]  # by fresh process, then by round
Unit = Literal["texts", "tokens"]  # what a batch is bounded by


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What else went on while the run was made."""

    started_at: str  # UTC, ISO 8601
    seconds: float  # that the run took
    load_before: float  # runnable processes in the minute before
    steal: float | None  # share of the cores' time that a hypervisor gave to others; None: not told
    throttled: float | None  # seconds that a CPU quota held this container back; None: no quota
    governor: str | None  # of the first core; None: not readable
    others: float | None = None  # share of the cores' time that other processes took; None: not told


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """The texts that every system answered."""

    name: str  # "golden texts", a file's name, or a length profile
    texts: int  # that were timed
    judged: int  # whose answers were compared: these and, where there are more, all others
    labelled: Mapping[str, int]  # judged texts with a label, by task; empty: none
    tokens: int  # of the timed texts, special ones included, as the bundle's tokenizer cuts them
    token_quantiles: tuple[int, ...]  # of a text: minimum, 10 %, 50 %, 90 %, maximum
    sha256: str  # of the timed texts, each as JSON on a line of its own
    files: Mapping[str, FileSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How right a system is, on all judged texts."""

    agreement: Mapping[str, float]  # share of texts with cpu-fp32's answer, by task
    metrics: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict
    )  # by task, where labelled: accuracy, macro_f1


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """One candidate in the search for the fastest batch."""

    size: int
    texts_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """All texts at once, as fast as they go (MLPerf inference's Offline scenario), from text to labels."""

    texts: int
    unit: Unit
    size: int  # of a batch: the fastest of those swept
    swept: tuple[Swept, ...]
    seconds: Values  # for all texts
    kernel_seconds: Values = ()  # for the same batches in the session alone, in the same rounds; empty: not separable


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleStream:
    """One text at a time, the next one when the answer is there (MLPerf's SingleStream)."""

    latencies: Values  # seconds of each text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Texts that arrive at random moments (Poisson), whether or not those before are done."""

    offered: float  # texts per second
    latencies: tuple[float, ...]  # seconds from the moment that a text was due
    kept_up: bool  # whether what was left at the end was answered within the bound

    @property
    def queries(self) -> int:
        """Texts that arrived."""
        return len(self.latencies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The highest rate at which the 99th percentile stays within a bound (MLPerf's Server)."""

    bound: float  # seconds
    rates: tuple[Rate, ...]  # in the order tried
    best: float | None  # texts per second; None: none of them held


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Fresh processes, files in the page cache."""

    seconds: tuple[float, ...]  # from the start of the process to its first answer
    load_seconds: tuple[float, ...]  # the part of it from the first import to a system that is ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of a system's process, in bytes; by fresh process where there is a tuple."""

    loaded: tuple[int, ...]  # before the first text
    peak: tuple[int, ...]  # highest of the whole process
    soaked: tuple[int, ...] = ()  # after the soak; empty: not soaked
    soak_calls: int = 0
    early: tuple[int, ...] = ()  # after a fifth of the soak
    device: tuple[int, ...] = ()  # on a GPU, after the rounds; empty: none, or not told


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemResult:
    """One row of the page: a variant of the bundle, or a peer; what was not measured is None."""

    title: str
    kind: Literal["ours", "peer"]
    command: str  # that measures this row alone
    variant: str | None = None  # ours: of the bundle
    provider: str | None = None  # ours: that really ran
    precision: str | None = None
    status: str | None = None  # ours: what the gate found on this machine, such as "verified"
    size_bytes: int | None = None  # ours: the files that are opened; a peer: its model files
    facts: Mapping[str, str] = field(default_factory=dict)  # what it chose or was told, such as threads; versions
    answers: Answers | None = None
    offline: Offline | None = None
    single_stream: SingleStream | None = None
    server: Server | None = None
    cold_start: ColdStart | None = None
    memory: Memory | None = None
    doubts: tuple[str, ...] = ()  # why its figures may not be trusted
    error: str | None = None  # why it has no figures

    @property
    def ran(self) -> bool:
        """Whether there is anything to show but an error."""
        return self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksCurve:
    """N tasks as one graph against N separate models, with the same runtime, texts and precision."""

    variant: str
    counts: tuple[int, ...]  # N
    one_graph: Values  # seconds for all texts: by count, then by pass, the same number of them in every round
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

    peak: str  # of Roofline.peaks
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
    """Offline throughput by cores that may compute, and how they are cut into workers."""

    variant: str
    workers: int
    threads: int  # of each worker
    seconds: tuple[float, ...]  # for all texts, by round


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Content of results.json."""

    schema_version: int = SCHEMA_VERSION
    command: str
    bundle: str  # its folder's name
    digest: str  # SHA-256 of its manifest
    tasks: Mapping[str, str]  # kind by task
    machine: MachineFacts
    made_with: Mapping[str, str]
    conditions: Conditions
    workload: WorkloadFacts
    reference_seconds: Values  # of fixed numpy products in each offline round: what the machine gave then
    systems: Mapping[str, SystemResult]  # by name
    stream_reference_seconds: Values = ()  # the same between the blocks of single texts, by sitting
    cold_reference_seconds: Values = ()  # the same before the systems were started, one in each sitting
    tasks_curve: TasksCurve | None = None
    roofline: Roofline | None = None
    lengths: tuple[Lengths, ...] = ()
    threads: tuple[Threads, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)  # variants and parts that were left out, and why
    doubts: tuple[str, ...] = ()  # about the whole run
