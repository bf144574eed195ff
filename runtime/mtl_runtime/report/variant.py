"""Verdict -> the details of one variant: tasks, stability, operators, repair."""

from collections.abc import Iterator

from mtl_runtime.evidence.schema import HighPrecisionNode, Repair, RepairStep, StabilityCheck, VariantEvidence
from mtl_runtime.providers.execution_config import ExecutionConfig
from mtl_runtime.report import number_format
from mtl_runtime.report.comparison import is_regression
from mtl_runtime.report.html import Markup, join, table, tag
from mtl_runtime.report.repair_chart import repair_curve
from mtl_runtime.report.status_badges import VariantStatus, badge_markup
from mtl_runtime.report.task import task_section

__all__ = ["variant_details"]


def variant_details(verdict: VariantStatus) -> Markup:
    """What opens under the variant's name; a failed one is open already."""
    variant = verdict.evidence
    head = tag("summary", tag("h3", verdict.variant), badge_markup(verdict.badge), tag("span", _brief(verdict)))
    body = tag("div", list(_parts(verdict, variant)), id=verdict.anchor, class_="body")
    return tag("details", head, body, open=verdict.badge.name == "failed")


def _brief(verdict: VariantStatus) -> str:
    variant = verdict.evidence
    parts = [f"provider {variant.provider}"]
    if variant.tasks:
        parts += [number_format.plural(variant.threads, "thread"), number_format.plural(len(variant.tasks), "task")]
    if variant.speed is not None and verdict.measured:
        parts.append(f"{number_format.ratio(variant.speed)[0]} cpu-fp32")
    if variant.repair is not None:
        parts.append(f"repaired, {_kept(variant.repair)}")
    return ", ".join(parts)


def _kept(repair: Repair) -> str:
    return f"{number_format.count(len(repair.kept))} of {number_format.count(repair.candidates)} nodes kept"


def _parts(verdict: VariantStatus, variant: VariantEvidence) -> Iterator[Markup]:
    yield tag("p", verdict.badge.meaning)
    if variant.problems:
        yield tag("ul", [tag("li", problem) for problem in variant.problems], class_=verdict.tone)
    if variant.speed is not None and verdict.measured:
        main, *how = number_format.ratio(variant.speed)
        yield tag("p", tag("strong", f"Speed {main} cpu-fp32"), f" ({', '.join(how)}).")
    if variant.execution is not None:
        yield tag("p", _execution(variant.execution))
    for name, task in variant.tasks.items():
        yield task_section(verdict.variant, name, task)
    if variant.stability:
        yield _stability(variant.stability)
    if variant.operators:
        yield _operators(variant)
    if variant.repair is not None:
        yield _repair(verdict, variant.repair)


def _execution(pace: ExecutionConfig) -> str:
    runs = number_format.plural(pace.workers, "run")
    threads, budget = number_format.plural(pace.threads, "thread"), number_format.count(pace.max_batch_tokens)
    return f"Fastest pace tried here: {runs} at a time, {threads} each, batches of up to {budget} padded tokens."


def _stability(checks: tuple[StabilityCheck, ...]) -> Markup:
    rows = [
        (
            check.name,
            number_format.count(check.sentences),
            number_format.count(check.flips),
            number_format.count(check.flips_outside_ties),
            number_format.small(check.max_logit_difference),
        )
        for check in checks
    ]
    head = ("same sentences, answered", "sentences", "flips", "outside ties", "largest logit difference")
    return tag("section", tag("h4", "Stability"), table("Two ways that must not matter, over all tasks", head, rows))


def _operators(variant: VariantEvidence) -> Markup:
    rows = [(name, number_format.count(number)) for name, number in variant.operators.items()]
    caption = f"Operators that provider {variant.provider} runs, fused and quantized ones"
    return tag("section", tag("h4", "Operators"), table(caption, ("operator", "count"), rows))


def _repair(verdict: VariantStatus, repair: Repair) -> Markup:
    chosen = [step for step in repair.curve if step.kept == len(repair.kept)]
    outcome = "" if not chosen else f" With them it {'keeps' if chosen[-1].holds else 'still misses'} its budget."
    intro = (
        f"Over its budget at first; {_kept(repair)} in higher precision, the most sensitive first.{outcome} "
        f"The search took {repair.seconds:,.0f} s."
    )
    parts = [tag("h4", "Repair"), tag("p", intro)]
    tasks = _decided(verdict.evidence, repair)
    if tasks:
        chart = repair_curve(repair, tasks, f"{verdict.variant}: speed against agreement while nodes are kept")
        told = (
            "Filled marks hold the budget, hollow ones miss it; the dashed line is what this variant was built from. "
            f"n = {number_format.count(repair.curve[0].sentences)} sentences at each mark."
        )
        parts += [tag("figure", chart, tag("figcaption", told)), _steps(repair.curve, tasks)]
    if repair.kept:
        parts.append(_nodes(repair.kept))
    return tag("section", parts)


def _decided(variant: VariantEvidence, repair: Repair) -> list[str]:
    """The curve's tasks, but for regressions, which have no answer to agree on."""
    tasks = dict.fromkeys(task for step in repair.curve for task in step.agreement)
    return [name for name in tasks if name not in variant.tasks or not is_regression(variant.tasks[name])]


def _steps(curve: tuple[RepairStep, ...], tasks: list[str]) -> Markup:
    rows = [
        (
            number_format.count(step.kept),
            number_format.times(step.speed),
            *(
                number_format.percent(step.agreement[task]) if task in step.agreement else number_format.DASH
                for task in tasks
            ),
            "holds" if step.holds else "misses",
        )
        for step in curve
    ]
    head = ("nodes kept", "speed", *(f"agreement: {task}" for task in tasks), "budget")
    return table("Steps of the repair, in the order tried", head, rows, words=(len(head) - 1,))


def _nodes(kept: tuple[HighPrecisionNode, ...]) -> Markup:
    rows = [(tag("code", node.node), number_format.small(node.sensitivity)) for node in kept]
    caption = "Kept in higher precision, because quantizing the node alone moves the logits of the worst task by"
    return join(table(caption, ("node", "mean |logit difference|"), rows))
