"""GateConfig + task + precision -> GateLimits: how far a variant may stray from the PyTorch model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = [
    "DEFAULTS",
    "GateBudget",
    "GateConfig",
    "GateLimits",
    "PrecisionBudget",
    "limits_for",
    "logit_limit",
    "precision_of",
]


_TASK_BOUNDS = records.bounds(characters=200, count=1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """A budget with nothing left open; None: not limited."""

    max_logit_difference: float | None  # of a regression: relative to its largest value where that is above 1
    min_agreement: float  # share of sentences with the same answer; of a regression: not looked at
    max_regression_error: float  # mean |difference| of a regression, as a share of its standard deviation
    max_metric_drop: float  # points of 100, of the task's headline metric
    tie: float  # a decision whose margin in logits is at most this is a tie: rounding alone may turn it


# By precision. fp32: what different summation orders cost, with room for long inputs; a flip needs a difference of
# half its margin. int8 multiplies whole numbers, so that batch and padding must not show in it more than in fp32.
# fp16 and bf16 round every activation (to 11 and 8 bits), and kernels of different shape round at different places.
DEFAULTS: Mapping[str, GateLimits] = {
    "fp32": GateLimits(
        max_logit_difference=1e-4, min_agreement=0.0, max_regression_error=1.0, max_metric_drop=0.5, tie=2e-4
    ),
    "fp16": GateLimits(
        max_logit_difference=None, min_agreement=0.99, max_regression_error=0.02, max_metric_drop=0.5, tie=2e-2
    ),
    "bf16": GateLimits(
        max_logit_difference=None, min_agreement=0.99, max_regression_error=0.05, max_metric_drop=0.5, tie=5e-2
    ),
    "int8": GateLimits(
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
class PrecisionBudget:
    """Budgets of the variants of one precision: for all tasks, and for single ones."""

    budget: GateBudget = field(default_factory=GateBudget)
    tasks: Mapping[str, GateBudget] = field(default_factory=dict, metadata=_TASK_BOUNDS)

    def __post_init__(self) -> None:
        records.check_bounds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """Budgets for all variants, and for those of one precision; the section [gate] of a config, kept in the bundle."""

    budget: GateBudget = field(default_factory=GateBudget)
    tasks: Mapping[str, GateBudget] = field(default_factory=dict, metadata=_TASK_BOUNDS)
    # By precision, such as int8.
    precisions: Mapping[str, PrecisionBudget] = field(default_factory=dict, metadata=records.if_set())

    def __post_init__(self) -> None:
        records.check_bounds(self)
        for precision in self.precisions:
            if precision not in DEFAULTS:
                raise RecordError(f"precisions.{precision}", f"no such precision; known: {', '.join(DEFAULTS)}")

    @property
    def named_tasks(self) -> Mapping[str, str]:
        """Tasks that have a budget of their own -> where in [gate] it stands."""
        places = {name: f"tasks.{name}" for name in self.tasks}
        for precision, section in self.precisions.items():
            places |= {name: f"{precision}.tasks.{name}" for name in section.tasks}
        return places


def precision_of(variant: str) -> str:
    """The precision in a variant's name: int8 of cpu-int8."""
    return variant.rpartition("-")[2]


def limits_for(gate: GateConfig, task: str, precision: str) -> GateLimits:
    """GateConfig -> the limits of one task's answers in one precision.

    What is closest to the case counts: the task's budget in that precision, then the precision's, then the task's in
    all precisions, then that of all tasks and precisions, then the precision's default.
    """
    default, section, none = DEFAULTS[precision], gate.precisions.get(precision, PrecisionBudget()), GateBudget()
    budgets = (section.tasks.get(task, none), section.budget, gate.tasks.get(task, none), gate.budget)

    def closest(name: str) -> float | None:
        values = (getattr(budget, name) for budget in budgets)
        limit: float | None = next((value for value in values if value is not None), getattr(default, name))
        return limit

    return GateLimits(
        max_logit_difference=closest("max_logit_difference"),
        min_agreement=closest("min_agreement") or 0.0,
        max_regression_error=closest("max_regression_error") or 0.0,
        max_metric_drop=closest("max_metric_drop") or 0.0,
        tie=default.tie,
    )


def logit_limit(limits: GateLimits, scale: float) -> float | None:
    """Largest |logit difference| allowed where the reference's largest value is ``scale``; None: not limited.

    float32 has seven digits, so that a regression of large numbers is compared relative to them.
    """
    return None if limits.max_logit_difference is None else limits.max_logit_difference * max(1.0, scale)
