"""VariantStatus -> the details of one variant: tasks, stability, operators, repair."""

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


def variant_details(status: VariantStatus) -> Markup:
    """Make the section that opens under the variant's name; that of a failed one is open."""
    variant = status.evidence
    head = tag("summary", tag("h3", status.variant), badge_markup(status.badge), tag("span", _summarize(status)))
    body = tag("div", list(_iter_sections(status, variant)), id=status.anchor, class_="body")
    return tag("details", head, body, open=status.badge.name == "failed")


def _summarize(status: VariantStatus) -> str:
    variant = status.evidence
    parts = [f"provider {variant.provider}"]
    if variant.tasks:
        parts += [number_format.plural(variant.threads, "thread"), number_format.plural(len(variant.tasks), "task")]
    if variant.speed is not None and status.measured:
        parts.append(f"{number_format.ratio(variant.speed)[0]} cpu-fp32")
    if variant.repair is not None:
        parts.append(f"repaired, {_count_kept(variant.repair)}")
    return ", ".join(parts)


def _count_kept(repair: Repair) -> str:
    return f"{number_format.count(len(repair.kept))} of {number_format.count(repair.candidates)} nodes kept"


def _iter_sections(status: VariantStatus, variant: VariantEvidence) -> Iterator[Markup]:
    yield tag("p", status.badge.meaning)
    if variant.problems:
        yield tag("ul", [tag("li", problem) for problem in variant.problems], class_=status.tone)
    if variant.speed is not None and status.measured:
        main, *how = number_format.ratio(variant.speed)
        yield tag("p", tag("strong", f"Speed {main} cpu-fp32"), f" ({', '.join(how)}).")
    if variant.not_timed is not None:
        yield tag("p", f"Speed {variant.not_timed}.")
    if variant.execution is not None:
        yield tag("p", _describe_execution(variant.execution))
    for name, task in variant.tasks.items():
        yield task_section(status.variant, name, task)
    if variant.stability:
        yield _stability(variant.stability)
    if variant.operators:
        yield _operators(variant)
    if variant.repair is not None:
        yield _repair(status, variant.repair)


def _describe_execution(execution: ExecutionConfig) -> str:
    runs = number_format.plural(execution.workers, "run")
    threads, budget = number_format.plural(execution.threads, "thread"), number_format.count(execution.max_batch_tokens)
    return f"Fastest settings tried here: {runs} at a time, {threads} each, batches of up to {budget} padded tokens."


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
    return tag(
        "section",
        tag("h4", "Stability"),
        table("Answers that must not depend on how sentences are batched, over all tasks", head, rows),
    )


def _operators(variant: VariantEvidence) -> Markup:
    rows = [(name, number_format.count(number)) for name, number in variant.operators.items()]
    caption = f"Operators that provider {variant.provider} runs, fused and quantized ones"
    return tag("section", tag("h4", "Operators"), table(caption, ("operator", "count"), rows))


def _repair(status: VariantStatus, repair: Repair) -> Markup:
    steps = [step for step in repair.curve if step.kept == len(repair.kept)]
    outcome = "" if not steps else f" With them it {'keeps' if steps[-1].holds else 'still misses'} its budget."
    intro = (
        f"Over its budget at first; {_count_kept(repair)} in higher precision, the most sensitive first.{outcome} "
        f"The search took {repair.seconds:,.0f} s."
    )
    parts = [tag("h4", "Repair"), tag("p", intro)]
    tasks = _decision_tasks(status.evidence, repair)
    if tasks:
        if all(step.speed for step in repair.curve):
            parts.append(_repair_figure(status.variant, repair, tasks))
        parts.append(_steps(repair.curve, tasks))
    if repair.kept:
        parts.append(_nodes(repair.kept))
    return tag("section", parts)


def _repair_figure(variant: str, repair: Repair, tasks: list[str]) -> Markup:
    chart = repair_curve(repair, tasks, f"{variant}: speed against agreement while nodes are kept")
    caption = (
        "Filled markers hold the budget, hollow ones miss it; the dashed line is the step that was built. "
        f"n = {number_format.count(repair.curve[0].sentences)} sentences for each marker."
    )
    return tag("figure", chart, tag("figcaption", caption))


def _decision_tasks(variant: VariantEvidence, repair: Repair) -> list[str]:
    """List the curve's tasks, except regressions, which have no answers that could agree."""
    tasks = dict.fromkeys(task for step in repair.curve for task in step.agreement)
    return [name for name in tasks if name not in variant.tasks or not is_regression(variant.tasks[name])]


def _steps(curve: tuple[RepairStep, ...], tasks: list[str]) -> Markup:
    rows = [
        (
            number_format.count(step.kept),
            number_format.times(step.speed) if step.speed else "not measured",
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
