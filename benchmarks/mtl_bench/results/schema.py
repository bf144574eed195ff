"""results.json <-> Report: every raw value of a benchmark run, the machine and the moment; summaries are derived.

Version 1. A value is stored as it was measured, in seconds, bytes or a fraction of 1, never rounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mtl_bench.results.extras import Lengths, Roofline, TasksCurve, Threads
from mtl_bench.results.scenarios import ColdStart, Memory, Offline, Server, SingleStream, Values
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.machine import MachineFacts

__all__ = ["SCHEMA_VERSION", "AnswerScores", "Conditions", "Report", "SystemResult", "WorkloadFacts"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What else happened on the machine during the run."""

    started_at: str  # UTC, ISO 8601
    seconds: float  # that the run took
    load_before: float  # runnable processes in the minute before
    steal: float | None  # share of the cores' time that a hypervisor gave to others; None: not reported
    throttled: float | None  # seconds for which a CPU quota stopped this container; None: no quota
    governor: str | None  # of the first core; None: not readable
    others: float | None = None  # share of the cores' time that other processes took; None: not reported


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """The texts that every system answered."""

    name: str  # "golden texts", a file's name, or a length profile
    texts: int  # that were timed
    scored: int = field(metadata=records.keys("judged"))  # texts whose answers were scored: the timed ones and others
    labelled: Mapping[str, int]  # scored texts with a label, by task; empty: none
    tokens: int  # of the timed texts, special ones included, as the bundle's tokenizer counts them
    token_quantiles: tuple[int, ...]  # of a text: minimum, 10 %, 50 %, 90 %, maximum
    sha256: str  # of the timed texts, each as JSON on a line of its own
    files: Mapping[str, FileSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerScores:
    """How right a system is, on all scored texts."""

    agreement: Mapping[str, float]  # share of texts with cpu-fp32's answer, by task
    # By task with labels: accuracy and macro_f1; of a regression, mae and pearson.
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemResult:
    """One row of the page: a variant of the bundle, or a peer; what was not measured is None."""

    title: str
    kind: Literal["ours", "peer"]
    command: str  # that measures this row alone
    variant: str | None = None  # ours: of the bundle
    provider: str | None = None  # ours: that really ran
    precision: str | None = None
    status: str | None = None  # ours: the gate's status on this machine, such as "verified"
    size_bytes: int | None = None  # ours: the files that are opened; a peer: its model files
    facts: Mapping[str, str] = field(default_factory=dict)  # its settings, such as threads, and its versions
    answers: AnswerScores | None = None
    offline: Offline | None = None
    single_stream: SingleStream | None = None
    server: Server | None = None
    cold_start: ColdStart | None = None
    memory: Memory | None = None
    # Why its figures may not be trusted.
    warnings: tuple[str, ...] = field(default=(), metadata=records.keys("doubts"))
    error: str | None = None  # why it has no figures

    @property
    def ran(self) -> bool:
        """Whether there is anything to show but an error."""
        return self.error is None


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
    reference_seconds: Values  # of fixed numpy products in each offline round: how fast the machine was then
    systems: Mapping[str, SystemResult]  # by name
    stream_reference_seconds: Values = ()  # the same between the blocks of single texts, by launch
    cold_reference_seconds: Values = ()  # the same before the systems were started, one in each launch
    tasks_curve: TasksCurve | None = None
    roofline: Roofline | None = None
    lengths: tuple[Lengths, ...] = ()
    threads: tuple[Threads, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)  # variants and parts that were left out, and why
    warnings: tuple[str, ...] = field(default=(), metadata=records.keys("doubts"))  # about the whole run
