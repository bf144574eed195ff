"""benchmarks/results/runtime.json <-> RuntimeSpeed: each measurement with its raw values, moment and machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from mtl_bench.studies.runtime.sentences import Sentences
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.installed_packages import MAKERS, installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.gate.speed import median_ratio

__all__ = [
    "SCHEMA_VERSION",
    "Circumstances",
    "ColdStart",
    "KernelBound",
    "Line",
    "Measurement",
    "Overhead",
    "RuntimeSpeed",
    "Soak",
    "Tasks",
    "Throughput",
    "Unit",
    "WayResult",
    "circumstances",
]

SCHEMA_VERSION = 1
_PACKAGES = (*MAKERS, "onnxruntime-openvino", "onnxruntime-ep-openvino", "numpy")

Unit = Literal["times", "share", "ms", "s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """When, where and with what a measurement was made."""

    measured_at: str  # UTC, ISO 8601: the beginning
    machine: MachineFacts
    load: float  # of the machine in the minute before, in runnable processes
    made_with: Mapping[str, str]
    bundle: str  # SHA-256 of the manifest
    data: Mapping[str, FileSpec]
    sentences: int  # of that file, evenly spread over it where not all


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was measured against what is wanted of it."""

    what: str
    unit: Unit
    values: tuple[float, ...]  # by round
    found: Estimate  # median of the values, with its 95 % interval
    wanted: float
    at_most: bool = False  # the median must not exceed what is wanted; else it must reach it
    doubts: tuple[str, ...] = ()  # why the values prove nothing

    @classmethod
    def of(
        cls,
        what: str,
        unit: Unit,
        values: tuple[float, ...],
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        doubts: tuple[str, ...] = (),
    ) -> "Line":
        """A line with its median; exactly one of ``at_least`` and ``at_most`` is given."""
        wanted = at_least if at_least is not None else at_most
        assert wanted is not None  # noqa: S101 - a line without a target is a bug
        return cls(
            what=what,
            unit=unit,
            values=values,
            found=median_ratio(values),
            wanted=wanted,
            at_most=at_most is not None,
            doubts=doubts,
        )

    @property
    def holds(self) -> bool:
        """Whether the median is as wanted, and nothing stands against the values."""
        kept = self.found.median <= self.wanted if self.at_most else self.found.median >= self.wanted
        return kept and not self.doubts


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What every measurement has."""

    circumstances: Circumstances
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WayResult:
    """One way to answer the sentences: its time and its answers, or why it has none."""

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)  # what it chose, such as its variant or batch size
    seconds: tuple[float, ...] = ()  # for all sentences, by round
    accuracy: Mapping[str, float] = field(default_factory=dict)  # by task, of the worst round
    agreement: Mapping[str, float] = field(default_factory=dict)  # with the baseline's labels, of the worst round
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput(Measurement):
    """Text in, labels out, beside other ways."""

    ways: Mapping[str, WayResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelBound(Measurement):
    """The whole pipeline against its own batches in session.run alone."""

    variant: str
    workers: int
    batches: int
    max_batch_tokens: int = field(metadata=records.keys("max_batch_tokens", "token_budget"))
    pipeline: tuple[float, ...]  # seconds, by round
    kernel: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks(Measurement):
    """What further tasks cost: one, eight, and one of eight on the same encoder."""

    variant: str
    heads: str  # where their weights come from
    seconds: Mapping[str, tuple[float, ...]]  # by way and round
    parameters: float  # share of the model that eight heads are
    flops: float  # share of the multiplications for a sentence of average length
    agreement: float  # share of sentences to which all of the eight tasks answer as the one alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead(Measurement):
    """One short text: a classifier's call against tokenizer and session.run by hand, in the same session."""

    text: str
    calls: int  # of each side
    block: int  # calls in a row
    ours: Mapping[str, tuple[float, ...]]  # by what the classifier is optimized for: ms of a call, median of each block
    bare: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart(Measurement):
    """A fresh process until its first answer, beside a bare script on the same graph."""

    text: str
    ours: Mapping[str, tuple[float, ...]]  # by variant: seconds of each process
    bare: Mapping[str, tuple[float, ...]]
    # The same script where the provider finds what it compiled before; absent: it keeps nothing.
    bare_with_cache: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak(Measurement):
    """Many ragged calls from several threads at once."""

    variant: str
    threads: int
    calls: int
    texts: int  # in all calls
    early_calls: int
    early_bytes: int  # resident after so many calls
    end_bytes: int
    tie: float  # widest difference of a logit that rounding explains
    largest_difference: float  # of a logit from the same text's alone
    wrong: int  # answers that differ by more, or have another label and are no tie
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSpeed:
    """Content of the results file; what has not been measured yet is absent."""

    schema_version: int = SCHEMA_VERSION
    throughput: Throughput | None = None
    kernel_bound: KernelBound | None = None
    tasks: Tasks | None = None
    overhead: Overhead | None = None
    cold_start: ColdStart | None = None
    soak: Soak | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """Those of all measurements."""
        found = (self.throughput, self.kernel_bound, self.tasks, self.overhead, self.cold_start, self.soak)
        return tuple(line for measurement in found if measurement is not None for line in measurement.lines)


def circumstances(sentences: Sentences) -> Circumstances:
    """Those of now."""
    import os

    return Circumstances(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_facts(),
        load=os.getloadavg()[0],
        made_with=installed_versions(_PACKAGES),
        bundle=sentences.digest,
        data=sentences.files,
        sentences=len(sentences.texts),
    )
