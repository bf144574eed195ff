"""Evidence of a student -> the section of its page that compares each variant with the teacher, task by task."""

from collections.abc import Iterator, Mapping

from mtl_runtime.evidence.schema import Evidence, MetricChange, TeacherComparison
from mtl_runtime.report import number_format
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.html import Content, Markup, join, table, tag
from mtl_runtime.report.task import flips_table
from mtl_runtime.report.teacher.outcomes import describe_outcome, outcome_badge

__all__ = ["teacher_section"]

_HEAD = ("variant", "task", "metric", "student", "teacher", "change", "95 % interval", "budget")


def teacher_section(evidence: Evidence) -> Markup:
    """Say what each variant loses, and show the answers that changed; empty where there is no teacher."""
    students = {
        name: variant.teacher for name, variant in {**evidence.variants, **evidence.refused}.items() if variant.teacher
    }
    if not students:
        return Markup()
    rows = [
        row
        for name, tasks in students.items()
        for task, compared in tasks.items()
        for row in _rows(name, task, compared)
    ]
    return tag(
        "section",
        tag("h2", "What is lost compared with the teacher?"),
        tag("p", "The teacher's weights have the SHA-256 ", tag("code", evidence.teacher or "unknown"), "."),
        table("Metrics of student and teacher on the same labelled sentences", _HEAD, rows, words=(1, 2, 7)),
        tag("p", _METHOD, class_="quiet"),
        _agreement(students),
        [_details(name, task, compared) for name, tasks in students.items() for task, compared in tasks.items()],
        class_="broad",
    )


_METHOD = (
    "Changes are in points of 100, of errors in the task's own unit; their intervals are those of the paired bootstrap "
    "over sentences. A budget holds where the worse end of the interval does, or where at most that share of the "
    "answers differs."
)


def _rows(variant: str, task: str, compared: TeacherComparison) -> Iterator[tuple[Content, ...]]:
    answers = compared.answers
    last: Content = join(outcome_badge(compared.outcome), " ", describe_outcome(compared))
    if not compared.changes:
        yield (variant, task, "no labels", *[number_format.DASH] * 4, last)
    for metric, moved in compared.changes.items():
        name, is_share = METRICS[metric]
        values = (number_format.share(side[metric]) for side in (answers.metrics, answers.reference_metrics))
        yield (variant, task, name, *values, *_change(moved, is_share=is_share), last)
        variant, task, last = "", "", ""  # once for each task


def _change(moved: MetricChange, *, is_share: bool) -> tuple[str, str]:
    scale, digits = (100.0, 2) if is_share else (1.0, 3)
    change, low, high = (number_format.change(scale * end, digits) for end in (moved.change, moved.low, moved.high))
    return change, f"{low} to {high}"


def _agreement(
    students: Mapping[str, Mapping[str, TeacherComparison]],
) -> Markup:
    caption = (
        "Sentences that get the teacher's answer, right or wrong. At most: with 95 % confidence for all tasks "
        "together, no larger share of the answers differs (exact binomial bound)"
    )
    rows = [
        (
            variant,
            task,
            number_format.count(compared.answers.sentences),
            number_format.count(compared.answers.flips),
            number_format.percent(compared.answers.agreement),
            number_format.interval(compared.answers.agreement_low, compared.answers.agreement_high),
            number_format.percent(compared.differing_bound),
        )
        for variant, tasks in students.items()
        for task, compared in tasks.items()
        if compared.answers.kind != "regression"
    ]
    head = ("variant", "task", "sentences", "other answers", "same answer", "95 % interval", "at most")
    return table(caption, head, rows, words=(1,))


def _details(variant: str, task: str, compared: TeacherComparison) -> Markup:
    """What changed, label by label and sentence by sentence."""
    flips = number_format.plural(compared.answers.flips, "other answer")
    head = tag("summary", tag("h3", f"{variant}, {task}"), tag("span", flips))
    labels = [(label, *_change(moved, is_share=True)) for label, moved in compared.f1_changes.items()]
    by_label = table("Change of F1 by label, in points", ("label", "change", "95 % interval"), labels) if labels else ""
    return tag("details", head, tag("div", by_label, flips_table(compared.answers), class_="body"))
