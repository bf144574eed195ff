"""evidence/<machine>.json <-> Evidence: what a gate measured on one machine (schema version 2).

Plain frozen records, read and written by :mod:`mtl_runtime.core.records`; where the files lie is
:mod:`mtl_runtime.evidence.files`' to know.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mtl_runtime.bundle.manifest import FileSpec, Kind
from mtl_runtime.bundle.training_summary import TrainingSummary
from mtl_runtime.core import records
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.evidence.summary import SCHEMA_VERSION, Estimate
from mtl_runtime.providers.execution_config import ExecutionConfig

__all__ = [
    "BUDGETED",
    "GOLDEN_REFERENCE",
    "SCHEMA_VERSION",
    "Bin",
    "BudgetOutcome",
    "Estimate",
    "Evidence",
    "Flip",
    "HighPrecisionNode",
    "Histogram",
    "MetricChange",
    "Repair",
    "RepairStep",
    "StabilityCheck",
    "Status",
    "TaskEvidence",
    "TeacherComparison",
    "VariantEvidence",
]

GOLDEN_REFERENCE = "golden texts (PyTorch)"  # of evidence for which no labelled file was compared

# verified: measured on its own provider, inside the budget. failed: measured, and outside. emulated: its numbers
# were imitated on another provider, which shows the rounding and proves nothing. unverified: nothing was measured.
Status = Literal["verified", "failed", "emulated", "unverified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A sentence whose answer differs from the reference's."""

    text: str
    reference: str
    candidate: str
    margin: float  # of the reference's decision, in logits
    tie: bool  # the margin is so small that rounding alone may turn the decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many values lie between neighbouring edges."""

    edges: tuple[float, ...]  # one more than counts
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One bar of a reliability diagram: answers whose probability lies in the same tenth."""

    rows: int
    confidence: float  # mean probability of the answers given
    accuracy: float  # share of them that was right


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvidence:
    """What was measured for one task of one variant."""

    kind: Kind
    temperature: float = 1.0  # of this variant
    sentences: int  # compared with the reference
    agreement: float  # share of them with the same answer
    agreement_low: float  # 95 % Wilson interval
    agreement_high: float
    flips: int
    flips_outside_ties: int
    flipped: tuple[Flip, ...]  # widest margins first, at most 50
    logit_scale: float  # regression: the largest |value| of the reference where above 1, else 1; budgets are times this
    spread: float = 0.0  # regression: standard deviation of the reference's values
    max_logit_difference: float
    mean_logit_difference: float
    logit_differences: Histogram  # of |difference|, over all cells
    max_probability_difference: float  # before temperature; of a regression: 0
    mean_probability_difference: float
    not_finite: int  # sentences with NaN or infinity
    labelled: int = 0  # sentences with a label of this task
    metrics: Mapping[str, float] = field(default_factory=dict)  # of the variant, on the labelled sentences
    reference_metrics: Mapping[str, float] = field(default_factory=dict)  # of the reference, on the same
    majority_accuracy: float | None = None  # single_label: of always giving the most frequent label of these sentences
    # F1 by label of the variant, and of the reference; a label that neither occurs nor is given is absent.
    f1_by_label: Mapping[str, float] = field(default_factory=dict)
    reference_f1_by_label: Mapping[str, float] = field(default_factory=dict)
    calibration_error: float | None = None  # expected calibration error at temperature 1; None: no labels, a regression
    calibrated_error: float | None = None  # the same, each row at a temperature that was fitted without it
    reliability: tuple[Bin, ...] = ()  # at these temperatures; ten tenths, empty without labels
    problems: tuple[str, ...] = ()  # budgets that were not kept

    @staticmethod
    def upgrade(data: Any) -> Any:
        """Earlier versions wrote the accuracy of the majority among the metrics of both sides."""
        if not (isinstance(data, Mapping) and isinstance(metrics := data.get("metrics"), Mapping)):
            return data
        if "majority" not in metrics:
            return data
        sides = {key: data.get(key, {}) for key in ("metrics", "reference_metrics")}
        without = {
            key: {name: value for name, value in side.items() if name != "majority"} for key, side in sides.items()
        }
        return {**data, **without, "majority_accuracy": metrics["majority"]}


# The metrics that a budget for what a student may lose is about.
BUDGETED: Mapping[Kind, tuple[str, ...]] = {
    "single_label": ("accuracy", "macro_f1"),
    "multi_label": ("accuracy", "macro_f1"),
    "regression": ("pearson",),
}
# Of such a budget: certain: the worse end of the interval holds it. uncertain: the estimate
# does, and more sentences could tell. exceeded: the estimate does not.
BudgetOutcome = Literal["certain", "uncertain", "exceeded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """A metric of a student less its teacher's on the same rows, with the 95 % interval of the paired bootstrap."""

    change: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherComparison:
    """One task of a student's variant, compared with the teacher that it was distilled from."""

    answers: TaskEvidence  # its reference is the teacher
    changes: Mapping[str, MetricChange] = field(default_factory=dict)  # by metric; empty without labels
    f1_changes: Mapping[str, MetricChange] = field(default_factory=dict)  # by label
    # With 95 % confidence for all tasks together, at most this share of the answers differs (exact binomial bound).
    differing_bound: float
    budget: float  # points of 100 that accuracy, macro-F1 or correlation may lose
    outcome: BudgetOutcome
    sentences_needed: int | None = None  # where uncertain: about so many would make it certain, if nothing else changes
    # Without labels: points of 100 by which the answers differ; of a regression, 100 times what its correlation with
    # the teacher lacks to 1.
    unlabelled_difference: float | None = field(default=None, metadata=records.if_set())

    @property
    def loss(self) -> float:
        """Points of 100: the largest drop of a metric that the budget is about; without labels, the difference."""
        drops = [-100 * self.changes[name].change for name in BUDGETED[self.answers.kind] if name in self.changes]
        return max(drops) if drops else self.unlabelled_difference or 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilityCheck:
    """The same sentences answered in two batchings that must give the same answers."""

    name: str  # such as "batches of 32, shuffled"
    sentences: int
    flips: int  # answers that differ, over all tasks
    flips_outside_ties: int
    max_logit_difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HighPrecisionNode:
    """A node that repair put back into higher precision."""

    node: str
    sensitivity: float  # what quantizing this node alone costs the worst task: mean |logit difference|


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairStep:
    """One point of the curve of speed against agreement."""

    kept: int  # nodes in higher precision
    sentences: int
    agreement: Mapping[str, float]  # by task
    speed: float  # times cpu-fp32; 0: not measured
    holds: bool  # the budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """How a variant over its budget was brought back inside."""

    candidates: int  # nodes that could be kept
    kept: tuple[HighPrecisionNode, ...]  # most sensitive first
    curve: tuple[RepairStep, ...]  # in the order tried
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantEvidence:
    """What was measured of one variant, and its status."""

    status: Status
    provider: str
    threads: int
    tasks: Mapping[str, TaskEvidence]  # empty where unverified
    stability: tuple[StabilityCheck, ...] = ()
    execution: ExecutionConfig | None = field(default=None, metadata=records.keys("pace"))  # the fastest of those tried
    speed: Estimate | None = None  # throughput, times cpu-fp32 on the same sentences in the same rounds
    not_timed: str | None = field(default=None, metadata=records.if_set())  # why a verified variant has no speed
    # That the provider runs and that count: fused and quantized ones.
    operators: Mapping[str, int] = field(default_factory=dict)
    repair: Repair | None = None
    problems: tuple[str, ...] = ()  # of the variant as a whole; why it is not verified
    # Whether a task of a student exceeds the budget of what it may lose compared with its teacher.
    exceeds_teacher_budget: bool = field(default=False, metadata=records.if_set())
    # Of a student, by task.
    teacher: Mapping[str, TeacherComparison] = field(default_factory=dict, metadata=records.if_set())

    @property
    def all_problems(self) -> list[str]:
        """Those of its tasks, each with the task's name, then those of the variant as a whole."""
        of_tasks = [f"task {name}: {text}" for name, task in self.tasks.items() for text in task.problems]
        return [*of_tasks, *self.problems]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that one run of the gate measured."""

    schema_version: int
    bundle_digest: str  # SHA-256 of the manifest that was measured
    measured_at: str  # UTC, ISO 8601; SOURCE_DATE_EPOCH where that is set
    machine: MachineFacts
    made_with: Mapping[str, str]
    reference: str  # what the variants were compared with: "PyTorch", "cpu-fp32" or "golden texts (PyTorch)"
    data: Mapping[str, FileSpec]  # name of each data file -> its digest
    variants: Mapping[str, VariantEvidence]
    # Tried by `--variants auto`, outside the budget, and so not in the bundle.
    refused: Mapping[str, VariantEvidence] = field(default_factory=dict)
    training: TrainingSummary | None = None  # the bundle's; absent from files before mtl-export 0.2
    # SHA-256 of the weights of the teacher that variants were compared with.
    teacher: str | None = field(default=None, metadata=records.if_set())
