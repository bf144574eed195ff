"""TaskEvidence + budget -> the same evidence with its problems: what a variant may not do."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from mtl_export.config import Budget, GateConfig
from mtl_export.metrics import HEADLINE
from mtl_runtime.evidence import TaskEvidence
from mtl_runtime.manifest import TaskSpec

__all__ = ["DEFAULTS", "Limits", "judge", "limits_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A budget with nothing left open."""

    max_logit_difference: float  # of a regression: relative to its largest value where that is above 1
    max_metric_drop: float  # points of 100


# By precision. The logit budget of fp32 is what different summation orders cost, with room for long inputs.
DEFAULTS: Mapping[str, Limits] = {"fp32": Limits(max_logit_difference=1e-4, max_metric_drop=0.5)}


def limits_for(gate: GateConfig, task: str, precision: str) -> Limits:
    """The task's own budget, else the config's for all tasks, else the precision's default."""

    def pick(name: str) -> float:
        for budget in (gate.tasks.get(task, Budget()), gate.budget):
            value: float | None = getattr(budget, name)
            if value is not None:
                return value
        default: float = getattr(DEFAULTS[precision], name)
        return default

    return Limits(max_logit_difference=pick("max_logit_difference"), max_metric_drop=pick("max_metric_drop"))


def judge(task: TaskSpec, evidence: TaskEvidence, limits: Limits) -> TaskEvidence:
    """Fill in ``problems``: each budget that is not kept, in words."""
    problems = []
    if evidence.not_finite:
        problems.append(f"{evidence.not_finite} of {evidence.sentences} sentences give NaN or infinity")
    allowed = limits.max_logit_difference * evidence.logit_scale
    if evidence.max_logit_difference > allowed:
        found = f"{evidence.max_logit_difference:.2e}"
        problems.append(f"largest logit difference {found} is over the budget of {allowed:g}")
    if evidence.flips_outside_ties:
        problems.append(f"{evidence.flips_outside_ties} of {evidence.sentences} answers differ, ties aside")
    name = HEADLINE[task.kind]
    if name in evidence.metrics:
        drop = 100 * (evidence.reference_metrics[name] - evidence.metrics[name])
        if drop > limits.max_metric_drop:
            problems.append(f"{name} drops by {drop:.2f} points, the budget is {limits.max_metric_drop:g}")
    return dataclasses.replace(evidence, problems=tuple(problems))
