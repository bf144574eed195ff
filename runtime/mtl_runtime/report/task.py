"""TaskEvidence -> the section about one task of one variant: metrics, charts, F1 by label, flipped sentences."""

from collections.abc import Iterator

from mtl_runtime.evidence.schema import TaskEvidence
from mtl_runtime.report import number_format
from mtl_runtime.report.charts import LINEAR_BELOW, difference_histogram, reliability_diagram
from mtl_runtime.report.comparison import METRICS, calibration, is_regression, metric_change
from mtl_runtime.report.html import Content, Markup, join, table, tag

__all__ = ["flips_table", "task_section"]


def task_section(variant: str, name: str, task: TaskEvidence) -> Markup:
    """Show all that was measured for the task ``name`` of ``variant``."""
    problems = tag("ul", [tag("li", problem) for problem in task.problems], class_="problem") if task.problems else ""
    return tag(
        "section",
        tag("h4", name),
        problems,
        tag("div", list(_tables(task)), class_="side"),
        tag("div", list(_charts(f"{variant}, {name}", task)), class_="side"),
        flips_table(task),
    )


def _tables(task: TaskEvidence) -> Iterator[Markup]:
    yield _differences(task)
    if task.metrics:
        yield _metrics(task)
    if task.f1_by_label or task.reference_f1_by_label:
        yield _f1_by_label(task)


def _differences(task: TaskEvidence) -> Markup:
    rows: list[tuple[Content, ...]] = [
        ("logit", number_format.small(task.max_logit_difference), number_format.small(task.mean_logit_difference)),
    ]
    if not is_regression(task):
        largest, mean = task.max_probability_difference, task.mean_probability_difference
        rows.append(("probability", number_format.small(largest), number_format.small(mean)))
    caption = (
        f"Differences, n = {number_format.count(task.sentences)}; not finite: {number_format.count(task.not_finite)}"
    )
    if task.logit_scale != 1.0:
        caption += f"; the budget is times {number_format.small(task.logit_scale)}, the reference's largest value"
    return table(caption, ("of", "largest", "mean"), rows)


def _metrics(task: TaskEvidence) -> Markup:
    rows = []
    for name, value in task.metrics.items():
        reference = task.reference_metrics.get(name)
        baseline = number_format.DASH if reference is None else number_format.share(reference)
        change = number_format.DASH if reference is None else metric_change(name, value, reference)
        rows.append((METRICS.get(name, (name, False))[0], number_format.share(value), baseline, change))
    caption = f"Metrics, n = {number_format.count(task.labelled)} labelled"
    return table(caption, ("metric", "variant", "reference", "change"), rows)


def _f1_by_label(task: TaskEvidence) -> Markup:
    rows = []
    for label in dict.fromkeys([*task.reference_f1_by_label, *task.f1_by_label]):
        value, reference = task.f1_by_label.get(label), task.reference_f1_by_label.get(label)
        change = (
            number_format.DASH
            if value is None or reference is None
            else f"{number_format.change(100 * (value - reference))} points"
        )
        rows.append((label, _format_optional(value), _format_optional(reference), change))
    caption = f"F1 by label, n = {number_format.count(task.labelled)} labelled"
    return table(caption, ("label", "variant", "reference", "change"), rows)


def _format_optional(value: float | None) -> str:
    return number_format.DASH if value is None else number_format.share(value)


def _charts(what: str, task: TaskEvidence) -> Iterator[Markup]:
    cells = sum(task.logit_differences.counts)
    if cells:
        chart = difference_histogram(task.logit_differences, f"{what}: differences of logits from the reference")
        caption = f"Differences of all {number_format.count(cells)} logits from the reference's"
        scale = "; counts on a logarithmic scale." if max(task.logit_differences.counts) >= LINEAR_BELOW else "."
        yield tag("figure", chart, tag("figcaption", caption, scale))
    answers = sum(bar.rows for bar in task.reliability)
    if answers:
        chart = reliability_diagram(task.reliability, f"{what}: reliability diagram")
        caption = (
            "Bars: share of right answers. Strokes: their mean probability. On the dashed line both are equal. "
            f"n = {number_format.count(answers)} answers; calibration error before → after temperature: "
            f"{calibration(task) or 'unknown'}, each row at a temperature fitted without it; the one that the variant "
            f"answers with is {task.temperature:.3g}."
        )
        yield tag("figure", chart, tag("figcaption", caption))


def flips_table(task: TaskEvidence) -> Markup:
    """List the sentences whose answer differs from the reference's, with both answers."""
    if is_regression(task):
        return tag("p", "A number has no decision that could flip; its budget is the logit difference.", class_="quiet")
    if not task.flipped:
        return tag("p", f"None of {number_format.count(task.sentences)} answers flipped.", class_="quiet")
    rows = [
        (flip.text, flip.reference, flip.candidate, number_format.small(flip.margin), "tie" if flip.tie else "no tie")
        for flip in task.flipped
    ]
    excerpt = (
        ""
        if len(rows) == task.flips
        else f", of which the {number_format.count(len(rows))} with the widest margins are shown"
    )
    caption = (
        f"{number_format.plural(task.flips, 'flip')} in {number_format.count(task.sentences)} sentences, "
        f"{number_format.count(task.flips_outside_ties)} outside ties{excerpt}"
    )
    head = ("sentence", "reference", "variant", "margin in logits", "tie")
    return join(tag("div", table(caption, head, rows, words=(1, 2, 4)), class_="flips"))
