"""benchmarks/results/runtime.json <-> RuntimeResults: each measurement with its raw values, moment and machine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from mtl_bench.studies.runtime.sentences import LabelledSentences
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.installed_packages import MAKERS, installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.gate.speed import median_ratio

__all__ = [
    "SCHEMA_VERSION",
    "Circumstances",
    "ColdStartMeasurement",
    "FigureUnit",
    "KernelBoundMeasurement",
    "OverheadMeasurement",
    "RuntimeMeasurement",
    "RuntimeResults",
    "SoakMeasurement",
    "TargetCheck",
    "TasksMeasurement",
    "ThroughputMeasurement",
    "TimedSystemResult",
    "current_circumstances",
]

SCHEMA_VERSION = 1
_PACKAGES = (*MAKERS, "onnxruntime-openvino", "onnxruntime-ep-openvino", "numpy")

FigureUnit = Literal["times", "share", "ms", "s"]


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
class TargetCheck:
    """A measured figure, compared with the target for it."""

    what: str
    unit: FigureUnit
    values: tuple[float, ...]  # by round
    estimate: Estimate = field(metadata=records.keys("found"))  # median of the values, with its 95 % interval
    wanted: float
    at_most: bool = False  # the median must not exceed the target; else it must reach it
    warnings: tuple[str, ...] = field(default=(), metadata=records.keys("doubts"))  # why the values prove nothing

    @classmethod
    def of(
        cls,
        what: str,
        unit: FigureUnit,
        values: tuple[float, ...],
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        warnings: tuple[str, ...] = (),
    ) -> "TargetCheck":
        """A check of the values' median; exactly one of ``at_least`` and ``at_most`` is the target."""
        wanted = at_least if at_least is not None else at_most
        assert wanted is not None  # noqa: S101 - a check without a target is a bug
        return cls(
            what=what,
            unit=unit,
            values=values,
            estimate=median_ratio(values),
            wanted=wanted,
            at_most=at_most is not None,
            warnings=warnings,
        )

    @property
    def holds(self) -> bool:
        """Whether the median meets the target, and there is no warning about the values."""
        median = self.estimate.median
        return (median <= self.wanted if self.at_most else median >= self.wanted) and not self.warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeMeasurement:
    """The fields that every measurement has."""

    circumstances: Circumstances
    checks: tuple[TargetCheck, ...] = field(metadata=records.keys("lines"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedSystemResult:
    """One system that answered the sentences: its time and its answers, or why it has none."""

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)  # its own choices, such as variant or batch size
    seconds: tuple[float, ...] = ()  # for all sentences, by round
    accuracy: Mapping[str, float] = field(default_factory=dict)  # by task, of the worst round
    agreement: Mapping[str, float] = field(default_factory=dict)  # with the baseline's labels, of the worst round
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputMeasurement(RuntimeMeasurement):
    """Text in, labels out, compared with other systems."""

    systems: Mapping[str, TimedSystemResult] = field(metadata=records.keys("ways"))


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelBoundMeasurement(RuntimeMeasurement):
    """The whole pipeline against its own batches in session.run alone."""

    variant: str
    workers: int
    batches: int
    max_batch_tokens: int = field(metadata=records.keys("max_batch_tokens", "token_budget"))
    pipeline: tuple[float, ...]  # seconds, by round
    kernel: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksMeasurement(RuntimeMeasurement):
    """The cost of further tasks: one, eight, and one of eight on the same encoder."""

    variant: str
    heads: str  # where their weights come from
    seconds: Mapping[str, tuple[float, ...]]  # by number of tasks, and round
    parameters: float  # share of the model that eight heads are
    flops: float  # share of the multiplications for a sentence of average length
    agreement: float  # share of sentences to which all of the eight tasks answer like the single one


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheadMeasurement(RuntimeMeasurement):
    """One short text: a classifier's call against tokenizer and session.run by hand, in the same session."""

    text: str
    calls: int  # of each side
    block: int  # calls in a row
    ours: Mapping[str, tuple[float, ...]]  # by what the classifier is optimized for: ms of a call, median of each block
    bare: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStartMeasurement(RuntimeMeasurement):
    """A fresh process until its first answer, compared with a bare script on the same graph."""

    text: str
    ours: Mapping[str, tuple[float, ...]]  # by variant: seconds of each process
    bare: Mapping[str, tuple[float, ...]]
    # The same script where the provider has a cache of compiled graphs; absent: it has none.
    bare_with_cache: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakMeasurement(RuntimeMeasurement):
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
class RuntimeResults:
    """Content of the results file; what has not been measured yet is absent."""

    schema_version: int = SCHEMA_VERSION
    throughput: ThroughputMeasurement | None = None
    kernel_bound: KernelBoundMeasurement | None = None
    tasks: TasksMeasurement | None = None
    overhead: OverheadMeasurement | None = None
    cold_start: ColdStartMeasurement | None = None
    soak: SoakMeasurement | None = None

    @property
    def measurements(self) -> Mapping[str, RuntimeMeasurement]:
        """Those that were made, by field."""
        fields: Mapping[str, RuntimeMeasurement | None] = {
            "throughput": self.throughput,
            "kernel_bound": self.kernel_bound,
            "tasks": self.tasks,
            "overhead": self.overhead,
            "cold_start": self.cold_start,
            "soak": self.soak,
        }
        return {name: measurement for name, measurement in fields.items() if measurement is not None}

    @property
    def checks(self) -> tuple[TargetCheck, ...]:
        """Those of all measurements."""
        return tuple(check for measurement in self.measurements.values() for check in measurement.checks)


def current_circumstances(sentences: LabelledSentences) -> Circumstances:
    """Moment, machine and versions now."""
    return Circumstances(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_facts(),
        load=os.getloadavg()[0],
        made_with=installed_versions(_PACKAGES),
        bundle=sentences.digest,
        data=sentences.files,
        sentences=len(sentences.texts),
    )
