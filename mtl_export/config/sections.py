"""The sections of a config: one frozen dataclass each, whose values are checked when it is made.

A wrong value raises a RecordError that names the key. Checks that need several sections are in ``Config``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mtl_export.config.class_weights import weights_problem
from mtl_runtime.bundle.manifest import Kind, Pooling
from mtl_runtime.dataset.label_twins import group_twins
from mtl_runtime.errors import RecordError
from mtl_runtime.tables.text_lines import DEFAULT_MAX_ROW_BYTES
from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES

__all__ = [
    "Auto",
    "BadRows",
    "DataConfig",
    "EncoderConfig",
    "HeadKind",
    "InitialHeads",
    "LossWeighting",
    "Precision",
    "SourceConfig",
    "TaskConfig",
    "TrainingConfig",
]

HeadKind = Literal["linear", "layernorm", "mlp"]
Precision = Literal["fp32", "bf16", "fp16"]
Auto = Literal["auto"]
InitialHeads = Literal["probe", "random"]
BadRows = Literal["error", "skip"]
LossWeighting = Literal["static", "uncertainty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The shared encoder."""

    model: str  # hub id, or a folder with config.json, model.safetensors and tokenizer.json
    # "auto" is what the encoder is published with: see mtl_export.model.encoder.settings.
    pooling: Pooling | Auto = "auto"
    max_length: int | Auto = "auto"  # tokens, special ones included

    def __post_init__(self) -> None:
        if self.max_length != "auto":
            _require_at_least("max_length", self.max_length, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskConfig:
    """One task: its labels, its head, and the weight of its loss."""

    kind: Kind = "single_label"
    labels: tuple[str, ...] = ()  # empty: the labels of the training data, sorted
    column: str | None = None  # None: the task's name
    fold_labels: bool = False  # labels that differ in case, spaces or the like are one: the most frequent spelling
    missing: tuple[str, ...] = ()  # cells that stand for no label, such as N/A
    head: HeadKind = "linear"
    dropout: float = 0.1
    class_weights: Literal["balanced"] | Mapping[str, float] | None = None
    label_smoothing: float = 0.0
    loss_weight: float = 1.0

    def __post_init__(self) -> None:
        _require_within("dropout", self.dropout, 0.0, 1.0)
        _require_within("label_smoothing", self.label_smoothing, 0.0, 1.0)
        _require_positive("loss_weight", self.loss_weight)
        if self.kind == "regression" and (
            self.labels or self.class_weights or self.label_smoothing or self.fold_labels
        ):
            raise RecordError("kind", "a regression has no labels, fold_labels, class_weights or label_smoothing")
        if len(set(self.labels)) < len(self.labels):
            raise RecordError("labels", "a label is named twice")
        if self.fold_labels and (twins := group_twins(self.labels)):
            raise RecordError("labels", f"fold_labels = true makes {' and '.join(map(repr, twins[0]))} one; name one")
        if both := sorted({*self.labels} & {*self.missing}):
            raise RecordError("missing", f"{both[0]!r} is among the labels too; keep it in one of them")
        if self.kind == "multi_label" and any("|" in label for label in self.labels):
            raise RecordError("labels", "a label of a multi_label task must not contain '|', which joins labels")
        if isinstance(self.class_weights, Mapping):
            _check_class_weights(self.class_weights, self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Files with texts and the labels of some or all tasks."""

    text: str = "text"  # column
    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    holdout: float = 0.0  # in place of validation files: this share of the train rows, and of each label in them
    test: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()  # tasks that this source has labels for; empty: all

    def __post_init__(self) -> None:
        if not 0 <= self.holdout < 1:
            raise RecordError("holdout", f"{self.holdout:g} is not a share of the rows; write 0.1 for a tenth")
        if self.validation and self.holdout:
            raise RecordError("validation", "validation files and a holdout are both given; keep one")
        if not self.validation and not self.holdout:
            raise RecordError(
                "validation", "name validation files, or hold a share of the train rows out (holdout = 0.1)"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The sources of examples, and how they are mixed."""

    sources: tuple[SourceConfig, ...]
    temperature: float = 1.0  # of the mix of sources: 1 mixes by size, larger values towards equal shares
    bad_rows: BadRows = "error"
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES  # what is read of a text, in UTF-8
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES  # a longer row ends the run

    def __post_init__(self) -> None:
        if not self.sources:
            raise RecordError("sources", "at least one source is needed")
        _require_at_least("max_text_bytes", self.max_text_bytes, 1)
        _require_at_least("max_row_bytes", self.max_row_bytes, 1)
        if not 1 <= self.temperature < math.inf:
            raise RecordError("temperature", f"{self.temperature} is not a number from 1 (mix by size) on")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How the model is fitted."""

    # "auto" is chosen by the number of training rows, the encoder and the device: see mtl_export.training.plan.
    epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"  # sentences of a micro-batch, over all processes
    gradient_accumulation: int = 1  # micro-batches per optimizer step
    encoder_learning_rate: float | Auto = "auto"
    head_learning_rate: float | Auto = "auto"
    warmup: float = 0.1  # share of the steps in which the learning rates rise from 0
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    loss_weighting: LossWeighting = "static"
    contrastive_weight: float | Auto = "auto"  # of the loss of pairs of sentences; 0: none
    freeze_encoder: bool = False
    freeze_layers: int = 0  # embeddings and the lowest k layers
    early_stopping: int | None = None  # evaluations without a better validation score; None: never
    precision: Precision | Auto = "auto"
    initial_heads: InitialHeads = "probe"  # fitted to the frozen encoder's embeddings, or random
    seed: int = 0
    checkpoint_steps: int = 0  # steps between two resume points, in addition to one per evaluation; 0: those alone

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "gradient_accumulation"):
            if (count := getattr(self, name)) != "auto":
                _require_at_least(name, count, 1)
        for name in ("encoder_learning_rate", "head_learning_rate", "max_gradient_norm"):
            if (rate := getattr(self, name)) != "auto":
                _require_positive(name, rate)
        _require_not_negative("weight_decay", self.weight_decay)
        if self.contrastive_weight != "auto":
            _require_not_negative("contrastive_weight", self.contrastive_weight)
        _require_within("warmup", self.warmup, 0.0, 1.0)
        _require_at_least("seed", self.seed, 0)
        if self.seed >= 2**32:
            raise RecordError("seed", f"{self.seed} is too large; it must be below 2**32")
        _require_at_least("freeze_layers", self.freeze_layers, 0)
        _require_at_least("checkpoint_steps", self.checkpoint_steps, 0)
        if self.early_stopping is not None:
            _require_at_least("early_stopping", self.early_stopping, 1)


def _check_class_weights(weights: Mapping[str, float], labels: tuple[str, ...]) -> None:
    for label, weight in weights.items():
        _require_not_negative(f"class_weights.{label}", weight)
    if not any(weights.values()):
        raise RecordError("class_weights", "at least one weight must be positive")
    if labels and (problem := weights_problem(weights, labels)):
        raise RecordError("class_weights", problem)


def _require_at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise RecordError(name, f"{value} is too small; it must be at least {least}")


def _require_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise RecordError(name, f"{value} is not a positive number")


def _require_not_negative(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise RecordError(name, f"{value} is not a number from 0 on")


def _require_within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value < high:
        raise RecordError(name, f"{value} is not in [{low}, {high})")
