"""precision + what a config says -> Limits: how far a variant may stray from the PyTorch model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from mtl_runtime.errors import RecordError

__all__ = ["DEFAULTS", "GateBudget", "GateConfig", "Limits", "limits_for", "precision_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A budget with nothing left open; None: not limited."""

    max_logit_difference: float | None  # of a regression: relative to its largest value where that is above 1
    min_agreement: float  # share of sentences with the same answer; of a regression: not looked at
    max_regression_error: float  # mean |difference| of a regression, as a share of its standard deviation
    max_metric_drop: float  # points of 100, of the task's headline metric
    tie: float  # a decision whose margin in logits is at most this is a tie: rounding alone may turn it


# By precision. fp32: what different summation orders cost, with room for long inputs; a flip needs a difference of
# half its margin. int8 multiplies whole numbers, so that batch and padding must not show in it more than in fp32.
# fp16 and bf16 round every activation (to 11 and 8 bits), and kernels of different shape round at different places.
DEFAULTS: Mapping[str, Limits] = {
    "fp32": Limits(
        max_logit_difference=1e-4, min_agreement=0.0, max_regression_error=1.0, max_metric_drop=0.5, tie=2e-4
    ),
    "fp16": Limits(
        max_logit_difference=None, min_agreement=0.99, max_regression_error=0.02, max_metric_drop=0.5, tie=2e-2
    ),
    "bf16": Limits(
        max_logit_difference=None, min_agreement=0.99, max_regression_error=0.05, max_metric_drop=0.5, tie=5e-2
    ),
    "int8": Limits(
        max_logit_difference=None, min_agreement=0.97, max_regression_error=0.15, max_metric_drop=0.5, tie=2e-4
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateBudget:
    """How far a graph may stray from the PyTorch model; None: the default of its precision."""

    max_logit_difference: float | None = None
    min_agreement: float | None = None  # share of sentences
    max_regression_error: float | None = None  # mean |difference|, as a share of the values' standard deviation
    max_metric_drop: float | None = None  # points of 100, of the task's headline metric

    def __post_init__(self) -> None:
        for budget in fields(self):
            value = getattr(self, budget.name)
            if value is not None and not 0 <= value < float("inf"):
                raise RecordError(budget.name, f"{value} is not a number from 0 on")
        if self.min_agreement is not None and self.min_agreement > 1:
            raise RecordError("min_agreement", f"{self.min_agreement} is not a share; write 0.99 for 99 %")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """Budgets for all tasks, and for single ones; the section [gate] of a config, kept in the bundle."""

    budget: GateBudget = field(default_factory=GateBudget)
    tasks: Mapping[str, GateBudget] = field(default_factory=dict)


def precision_of(variant: str) -> str:
    """The precision in a variant's name: int8 of cpu-int8."""
    return variant.rpartition("-")[2]


def limits_for(gate: GateConfig, task: str, precision: str) -> Limits:
    """The task's own budget, else the config's for all tasks, else the precision's default."""
    default = DEFAULTS[precision]

    def pick(name: str) -> float | None:
        for budget in (gate.tasks.get(task, GateBudget()), gate.budget):
            value: float | None = getattr(budget, name)
            if value is not None:
                return value
        chosen: float | None = getattr(default, name)
        return chosen

    return Limits(
        max_logit_difference=pick("max_logit_difference"),
        min_agreement=pick("min_agreement") or 0.0,
        max_regression_error=pick("max_regression_error") or 0.0,
        max_metric_drop=pick("max_metric_drop") or 0.0,
        tie=default.tie,
    )
