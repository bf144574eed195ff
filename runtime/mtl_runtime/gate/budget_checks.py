"""TaskEvidence or StabilityCheck + limits -> problems: each budget exceeded, in a sentence."""

from collections.abc import Iterable, Iterator

from mtl_runtime.bundle.gate_config import GateLimits, logit_limit
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import HEADLINE
from mtl_runtime.evidence.schema import StabilityCheck, TaskEvidence

__all__ = ["stability_problems", "task_problems"]


def task_problems(task: TaskSpec, evidence: TaskEvidence, limits: GateLimits, *, precision: str) -> tuple[str, ...]:
    """Each budget that the answers exceed."""
    return tuple(_task_problems(task, evidence, limits, precision=precision))


def _task_problems(task: TaskSpec, evidence: TaskEvidence, limits: GateLimits, *, precision: str) -> Iterator[str]:
    if evidence.not_finite:
        yield f"{evidence.not_finite} of {evidence.sentences} sentences give NaN or infinity"
    allowed = logit_limit(limits, evidence.logit_scale)
    if allowed is not None and evidence.max_logit_difference > allowed:
        yield f"largest logit difference {evidence.max_logit_difference:.2e} is over the budget of {allowed:g}"
    if precision == "fp32" and evidence.flips_outside_ties:
        yield f"{evidence.flips_outside_ties} of {evidence.sentences} answers differ, ties aside"
    if task.kind != "regression" and evidence.agreement < limits.min_agreement:
        share, least = 100 * evidence.agreement, 100 * limits.min_agreement
        yield f"{share:.2f} % of {evidence.sentences} answers agree, the budget is {least:g} %"
    if task.kind == "regression" and precision != "fp32":
        allowed = limits.max_regression_error * (evidence.spread or evidence.logit_scale)
        if evidence.mean_logit_difference > allowed:
            mean = f"{evidence.mean_logit_difference:.3g}"
            yield f"mean difference {mean} is over the budget of {allowed:.3g} (a share of the standard deviation)"
    name = HEADLINE[task.kind]
    # A single changed answer says nothing about a metric: on 40 rows it moves macro-F1 by more than a sensible budget.
    if name in evidence.metrics and (task.kind == "regression" or evidence.flips > 1):
        drop = 100 * (evidence.reference_metrics[name] - evidence.metrics[name])
        if drop > limits.max_metric_drop:
            yield f"{name} drops by {drop:.2f} points, the budget is {limits.max_metric_drop:g}"


def stability_problems(checks: Iterable[StabilityCheck]) -> tuple[str, ...]:
    """Each check in which answers changed although nothing that matters did."""
    return tuple(
        f"{check.name}: {check.flips_outside_ties} answers of {check.sentences} sentences change, ties aside"
        for check in checks
        if check.flips_outside_ties
    )
