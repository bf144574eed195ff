"""The records in checkpoint.json: the model's spec, the run that produced the weights, and what was measured in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_export.config import Config, Precision
from mtl_export.data.examples import SkippedRow
from mtl_export.data.label_counts import LabelCounts
from mtl_export.model import ModelSpec
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.bundle.training_summary import Finding
from mtl_runtime.core import records
from mtl_runtime.dataset.metrics import TaskMetrics

__all__ = [
    "FORMAT_VERSION",
    "READABLE_VERSIONS",
    "CheckpointRecord",
    "Evaluation",
    "StudentOrigin",
    "TrainingPlan",
    "TrainingRecord",
]

FORMAT_VERSION = 2  # 1 had no plan, history, findings, baselines and counts
READABLE_VERSIONS = (1, FORMAT_VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What a run does where its config says "auto", and what the config says elsewhere."""

    epochs: int
    batch_size: int
    encoder_learning_rate: float
    head_learning_rate: float
    warmup: float  # share of the steps
    contrastive_weight: float
    precision: Precision
    steps: int  # optimizer steps of all epochs
    evaluation_epochs: int  # between two evaluations


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The model in the middle of a run, measured on the validation split."""

    step: int  # optimizer steps done
    epoch: float
    training_loss: float | None  # mean over the steps since the evaluation before; None: before the first step
    validation_loss: Mapping[str, float]  # mean over the labelled rows, by task
    metrics: Mapping[str, Mapping[str, float]]  # by task, as TaskMetrics.values


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentOrigin:
    """What a student was made from, and what its teacher scores."""

    teacher: str  # SHA-256 of the teacher's weights
    layers: tuple[int, ...]  # numbers of the teacher's layers that are left
    teacher_layers: int
    heads: int | None = None  # of each layer; None: as many as the teacher has
    neurons: int | None = None  # of each feed-forward; None likewise
    texts: int = 0  # without labels, which only the teacher's answers were learnt from
    teacher_validation: Mapping[str, TaskMetrics] = field(default_factory=dict)  # of the teacher, by task


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """The run that produced the weights."""

    config: Config  # paths of data files are relative to the checkpoint folder
    files: Mapping[str, FileSpec]  # of every data file, by its path in the config
    best_step: int
    steps: int
    validation: Mapping[str, TaskMetrics]  # of the saved weights, by task
    skipped_rows: tuple[SkippedRow, ...]
    # Encoder weights that its source lacks, so that they started at random.
    newly_initialized: tuple[str, ...] = field(metadata=records.keys("fresh_weights"))
    base: str | None = None  # SHA-256 of the weights of the checkpoint that training started from
    # Absent in format version 1.
    plan: TrainingPlan | None = None
    majority: Mapping[str, TaskMetrics] = field(default_factory=dict)  # the best constant answer in training, by task
    probe: Mapping[str, TaskMetrics] = field(default_factory=dict)  # heads fitted to the frozen encoder, by task
    history: tuple[Evaluation, ...] = ()  # from before the first step to the last
    splits: Mapping[str, LabelCounts] = field(default_factory=dict)  # "train" and "validation"
    findings: tuple[Finding, ...] = ()  # the most serious first
    # Where the model was distilled from a larger one.
    student: StudentOrigin | None = field(default=None, metadata=records.if_set())


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRecord:
    """Content of checkpoint.json."""

    format_version: int
    model: ModelSpec
    training: TrainingRecord
    made_with: Mapping[str, str]  # package -> version
