"""How well the model did in training, as the bundle tells its readers: a gate compares with PyTorch and cannot know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mtl_runtime.core import records
from mtl_runtime.core.intervals import accuracy_interval

__all__ = ["NOTABLE", "Finding", "Problem", "Rating", "TrainingSummary", "ValidationScores"]

# What a finding is about, the most serious first; docs/training.md says when each is found. "other": another version
# of mtl-export found it.
Problem = Literal[
    "no_better_than_majority",
    "implausible_column",
    "twin_labels",
    "joined_labels",
    "missing_values",
    "texts_in_both_splits",
    "worse_than_probe",
    "unpredicted_labels",
    "contradictions",
    "garbled_texts",
    "blank_texts",
    "too_few_validation_rows",
    "rare_labels",
    "still_rising",
    "other",
]
_PROBLEMS = frozenset(get_args(Problem))

# Of a headline metric: differences below half a point are noise on any validation split of a common size.
NOTABLE = 0.005

# What the validation rows say of a task, by the rules of training's findings.
Rating = Literal["no better than the majority", "worse than the probe", "better than the majority", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong with the data or the model."""

    problem: Problem
    # None: it is about the whole model, or all of the data.
    task: str | None = field(default=None, metadata=records.bounds(characters=200))
    text: str = field(metadata=records.bounds(characters=10_000))  # a sentence with the numbers

    def __post_init__(self) -> None:
        records.check_bounds(self)

    @staticmethod
    def upgrade(data: Any) -> Any:
        """A bare sentence, and a problem that only another version knows, are findings about something else."""
        if isinstance(data, str):
            return {"problem": "other", "text": data}
        if isinstance(data, Mapping) and isinstance(data.get("problem"), str) and data["problem"] not in _PROBLEMS:
            return {**data, "problem": "other"}
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScores:
    """One task on the validation split: the model and what it has to beat. Metrics as in TaskMetrics.values."""

    rows: int  # labelled ones
    model: Mapping[str, float]
    probe: Mapping[str, float] = field(default_factory=dict)  # heads on the frozen encoder; empty: not fitted
    majority: Mapping[str, float] = field(default_factory=dict)  # the best constant answer in training
    rating: Rating = "unknown"

    @property
    def tabulated_metrics(self) -> tuple[str, str]:
        """The two metrics that tables show of the task."""
        return ("accuracy", "macro_f1") if "accuracy" in self.model else ("mae", "pearson")

    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]:
        """95 % intervals of the model's metrics, of those whose interval follows from the number of rows."""
        return {"accuracy": accuracy_interval(self.model["accuracy"], self.rows)} if "accuracy" in self.model else {}

    @property
    def comparison(self) -> str:
        """The rating in words that say how the model compares with the probe, too, where there is one."""
        metric = self.tabulated_metrics[1]  # the one that represents the task
        if self.rating != "better than the majority" or metric not in self.probe:
            return self.rating
        gain = self.model[metric] - self.probe[metric]
        return "better than majority and probe" if gain >= NOTABLE else "better than the majority, level with the probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSummary:
    """The part of a checkpoint's record that stays with the bundle."""

    validation: Mapping[str, ValidationScores]  # by task
    # The most serious first.
    findings: tuple[Finding, ...] = field(default=(), metadata=records.bounds(count=10_000))

    def __post_init__(self) -> None:
        records.check_bounds(self)
