"""benchmarks/results/quantization.json <-> QuantizationResults: cost and gain of every method, on one machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_bench.analysis.bootstrap import Interval
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.evidence.schema import Estimate

__all__ = ["SCHEMA_VERSION", "MethodFigures", "MethodResult", "NeighbourEffect", "QuantizationResults", "TaskFigures"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigures:
    """One task of one method against fp32; metrics are fractions, changes points of 100."""

    sentences: int
    agreement: float  # share of sentences with fp32's label
    max_logit_difference: float
    metrics: Mapping[str, float]
    accuracy: Interval  # method - fp32
    macro_f1: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourEffect:
    """The same sentences alone and in shuffled batches: how far the other rows of a batch change an answer."""

    sentences: int
    batch_size: int
    flips: int  # over all tasks
    max_logit_difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFigures:
    """The measurements of a graph."""

    bytes: int
    operators: Mapping[str, int]  # of the graph after onnxruntime's optimizations: what really runs
    tasks: Mapping[str, TaskFigures]
    neighbours: NeighbourEffect
    speed: Estimate  # throughput, times the portable fp32 graph in the same round
    ratios: tuple[float, ...]  # by round


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """One method: figures, or why there are none."""

    title: str
    figures: MethodFigures | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationResults:
    """Content of the results file."""

    schema_version: int
    measured_at: str  # UTC, ISO 8601
    machine: MachineFacts
    threads: int
    load: float  # of the machine in the minute before the rounds, in runnable processes
    made_with: Mapping[str, str]
    data: Mapping[str, FileSpec]
    calibration_sentences: int
    timed_sentences: int
    max_batch_tokens: int = field(metadata=records.keys("max_batch_tokens", "token_budget"))
    baseline: tuple[float, ...]  # sentences per second of the portable fp32 graph, by round
    methods: Mapping[str, MethodResult] = field(default_factory=dict)
