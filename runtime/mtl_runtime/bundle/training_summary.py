"""How well the model did in training, as the bundle tells its readers: a gate compares with PyTorch and cannot know."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Rating", "TrainingSummary", "ValidationScores"]

# The first metric that a task has says which constant answer it is compared with.
_CONSTANT_ANSWERS = {
    "micro_f1": "every label",
    "accuracy": "the most frequent answer",
    "mae": "the mean of the training rows",
}
# How findings begin that call a task no better than a constant.
_POOR = ("is no better than", "is right no more often than", "is hardly better than")

Rating = Literal["no better than the majority", "worse than the probe", "better than the majority", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScores:
    """One task on the validation split: the model and what it has to beat. Metrics as in TaskMetrics.values."""

    rows: int  # labelled ones
    model: Mapping[str, float]
    probe: Mapping[str, float] = field(default_factory=dict)  # heads on the frozen encoder; empty: not fitted
    majority: Mapping[str, float] = field(default_factory=dict)  # the best constant answer in training

    @property
    def headlines(self) -> tuple[str, str]:
        """The two metrics that represent the task."""
        return ("accuracy", "macro_f1") if "accuracy" in self.model else ("mae", "pearson")

    @property
    def rating(self) -> Rating:
        """What the validation rows say of the model; "unknown" without rows or without the majority's metrics."""
        if not self.rows or not self.majority:
            return "unknown"
        if not self._beats_majority():
            return "no better than the majority"
        if self._is_below(self.probe):
            return "worse than the probe"
        return "better than the majority"

    def _beats_majority(self) -> bool:
        """A share counts as better by more than one standard error; a number, by a smaller mean squared error.

        Either share will do: with rare labels a useful model may be right less often than the majority is.
        """
        if "mse" in self.model and "mse" in self.majority:
            return self.model["mse"] < self.majority["mse"]
        share = self.majority.get("accuracy", 0.5)
        error = math.sqrt(share * (1 - share) / self.rows)
        known = [name for name in self.headlines if name in self.majority and name in self.model]
        return any(self.model[name] > self.majority[name] + error for name in known)

    def _is_below(self, other: Mapping[str, float]) -> bool:
        """Whether both headline metrics are worse than the other's."""
        sign = {"mae": -1.0}
        known = [name for name in self.headlines if name in other and name in self.model]
        return bool(known) and all(sign.get(name, 1.0) * (self.model[name] - other[name]) < 0 for name in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSummary:
    """The part of a checkpoint's record that stays with the bundle."""

    validation: Mapping[str, ValidationScores]  # by task
    findings: tuple[str, ...] = ()  # sentences about what is wrong with the data or the model, the most serious first

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader has to know first: tasks that are no better than the majority, then the findings.

        A task that a finding already calls poor is not named twice.
        """
        poor = [
            f"task {name} is no better than always giving {_constant_answer(scores)} "
            f"({_compare(scores)}, on {scores.rows} validation rows)"
            for name, scores in self.validation.items()
            if scores.rating == "no better than the majority"
            and not any(finding.startswith(f"task {name} {poor}") for finding in self.findings for poor in _POOR)
        ]
        return (*poor, *self.findings)


def _constant_answer(scores: ValidationScores) -> str:
    return next(answer for metric, answer in _CONSTANT_ANSWERS.items() if metric in scores.model)


def _compare(scores: ValidationScores) -> str:
    return ", ".join(
        f"{name.replace('_', '-')} {scores.model[name]:.3f} against {scores.majority[name]:.3f}"
        for name in scores.headlines
        if name in scores.model and name in scores.majority
    )
