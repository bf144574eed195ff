"""VariantStatus of each variant -> the table that compares it with the reference, task by task."""

from collections.abc import Mapping, Sequence

from mtl_runtime.evidence.schema import TaskEvidence, VariantEvidence
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Content, Markup, join, scrolling, tag
from mtl_runtime.report.status_badges import VariantStatus, badge_markup

__all__ = ["METRICS", "calibration", "comparison", "is_regression", "metric_change"]

# Metric -> its name, and whether it is a share of 1, whose changes are shown in points of 100.
METRICS: Mapping[str, tuple[str, bool]] = {
    "accuracy": ("accuracy", True),
    "macro_f1": ("macro-F1", True),
    "micro_f1": ("micro-F1", True),
    "pearson": ("Pearson", True),
    "mae": ("mean abs. error", False),
    "mse": ("mean sq. error", False),
}

_HEAD = (
    ("task", "w"),
    ("agreement", "n"),
    ("flips", "n"),
    ("accuracy", "n"),
    ("macro-F1", "n"),
    ("largest logit difference", "n"),
    ("largest probability difference", "n"),
    ("calibration error", "n"),
    ("speed", "n"),
    ("budget", "w"),
)


def comparison(statuses: Sequence[VariantStatus], reference: str) -> Markup:
    """Make a group of rows for each variant: its badge, then its tasks."""
    head = tag("tr", [tag("th", name, scope="col", class_=kind) for name, kind in _HEAD])
    caption = (
        f"Every variant compared with {reference}, task by task. Small figures: 95 % interval, change from the "
        "reference, and n, the number of sentences behind the figure."
    )
    return scrolling(caption, tag("thead", head), *map(_group, statuses), class_="scroll wide")


def is_regression(task: TaskEvidence) -> bool:
    """Whether the answers are numbers: they have errors instead of an accuracy, and no probabilities."""
    return task.kind == "regression"


def metric_change(name: str, value: float, reference: float) -> str:
    """Format the change from the reference: in points of 100, or in the task's own unit."""
    if METRICS.get(name, (name, False))[1]:
        return f"{number_format.change(100 * (value - reference))} points"
    return number_format.change(value - reference, digits=3)


def calibration(task: TaskEvidence) -> str | None:
    """Format the expected calibration error before and after temperature; None if it was not measured."""
    if task.calibration_error is None:
        return None
    after = "" if task.calibrated_error is None else f" → {number_format.share(task.calibrated_error)}"
    return number_format.share(task.calibration_error) + after


def _group(status: VariantStatus) -> Markup:
    name = tag("a", status.variant, href=f"#{status.anchor}")
    cell = tag("span", name, " ", badge_markup(status.badge), class_="stay")
    head = tag("tr", tag("th", cell, scope="rowgroup", colspan=len(_HEAD)), class_="group")
    rows = [
        _row(status, task, evidence, first=index == 0)
        for index, (task, evidence) in enumerate(status.evidence.tasks.items())
    ]
    return tag("tbody", head, _notes(status), rows)


def _notes(status: VariantStatus) -> list[Markup]:
    """Return what a reader must know before the figures, and the problems of the variant as a whole."""
    notes = [tag("span", problem, class_=f"stay {status.tone}") for problem in status.evidence.problems]
    if not status.measured:
        notes.insert(0, tag("span", status.badge.meaning, class_="stay"))
    return [tag("tr", tag("td", note, colspan=len(_HEAD), class_="w"), class_="note") for note in notes]


def _row(status: VariantStatus, name: str, task: TaskEvidence, *, first: bool) -> Markup:
    of_all = f"n = {number_format.count(task.sentences)}"
    cells = [
        tag("th", name, scope="row", class_="w"),
        *_agreement(task, of_all),
        *_quality(task),
        _cell(number_format.small(task.max_logit_difference), of_all),
        _dash("no probabilities")
        if is_regression(task)
        else _cell(number_format.small(task.max_probability_difference), of_all),
        _calibration(task),
    ]
    if first:
        cells.append(_speed(status.evidence, measured=status.measured, rows=len(status.evidence.tasks)))
    return tag("tr", cells, _budget(task, measured=status.measured))


def _agreement(task: TaskEvidence, of_all: str) -> tuple[Markup, Markup]:
    if is_regression(task):
        return _dash("a number"), _dash("cannot flip")
    span = number_format.interval(task.agreement_low, task.agreement_high)
    outside = f"{number_format.count(task.flips_outside_ties)} outside ties"
    return _cell(number_format.percent(task.agreement), span, of_all), _cell(
        number_format.count(task.flips), outside, of_all
    )


def _quality(task: TaskEvidence) -> list[Markup]:
    of_labelled = f"n = {number_format.count(task.labelled)}"
    names = ("pearson", "mae") if is_regression(task) else ("accuracy", "macro_f1")
    return [_metric(task, name, of_labelled, named=is_regression(task)) for name in names]


def _metric(task: TaskEvidence, name: str, of_labelled: str, *, named: bool) -> Markup:
    if name not in task.metrics or name not in task.reference_metrics:
        return _dash("no labels")
    value = task.metrics[name]
    small = [metric_change(name, value, task.reference_metrics[name]), of_labelled]
    if name == "accuracy" and task.majority_accuracy is not None:
        small.insert(1, f"majority {number_format.share(task.majority_accuracy)}")
    return _cell(number_format.share(value), *([METRICS[name][0]] if named else []), *small)


def _calibration(task: TaskEvidence) -> Markup:
    error = calibration(task)
    if error is None:
        return _dash("no probabilities" if is_regression(task) else "no labels")
    return _cell(error, f"n = {number_format.count(task.labelled)}")


def _speed(variant: VariantEvidence, *, measured: bool, rows: int) -> Markup:
    if variant.speed is None or not measured:
        why = variant.not_timed or ("not measured" if variant.status != "verified" else "the baseline")
        return _dash(why, rowspan=rows)
    return _cell(*number_format.ratio(variant.speed), rowspan=rows)


def _budget(task: TaskEvidence, *, measured: bool) -> Markup:
    if not task.problems:
        return tag("td", "holds" if measured else "rounding alone holds", class_="w")
    return tag("td", tag("ul", [tag("li", problem) for problem in task.problems]), class_="w problem")


def _cell(main: str, *small: str, rowspan: int | None = None) -> Markup:
    return tag("td", main, [tag("small", line) for line in small], class_="n", rowspan=rowspan)


def _dash(why: Content, rowspan: int | None = None) -> Markup:
    return tag("td", join(number_format.DASH, tag("small", why)), class_="n none", rowspan=rowspan)
