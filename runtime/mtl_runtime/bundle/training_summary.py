"""How well the model did in training, as the bundle tells its readers: a gate compares with PyTorch and cannot know."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["TrainingSummary", "ValidationScores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScores:
    """One task on the validation split: the model beside what it has to beat. Metrics as in TaskMetrics.values."""

    rows: int  # labelled ones
    model: Mapping[str, float]
    probe: Mapping[str, float] = field(default_factory=dict)  # heads on the frozen encoder; empty: not fitted
    majority: Mapping[str, float] = field(default_factory=dict)  # always the most frequent answer of training


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSummary:
    """The part of a checkpoint's record that stays with the bundle."""

    validation: Mapping[str, ValidationScores]  # by task
    findings: tuple[str, ...] = ()  # sentences about what is wrong with the data or the model, the gravest first
