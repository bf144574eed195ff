"""StudentsRecord -> the tables of its page."""

from collections.abc import Iterator

from mtl_export.compression.points import Point, StudentsRecord, TaskChange
from mtl_runtime.report import number_format
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.html import Content, Markup, join, table, tag
from mtl_runtime.report.teacher.outcomes import outcome_badge

__all__ = ["points_table", "students_table", "tasks_table", "trials_table"]


def points_table(record: StudentsRecord) -> Markup:
    """Each variant of teacher and students, the fastest first."""
    head = ("model", "variant", "work", "texts/s", "speed", "p50, ms", "worst change, points", "budget", "")
    rows = [
        (
            point.model,
            point.variant,
            f"{100 * point.work:.0f} %",
            f"{point.texts_per_second.median:,.0f}",
            join(number_format.times(point.speed.median), tag("small", number_format.ratio(point.speed)[1])),
            f"{point.p50_milliseconds:.2f}",
            number_format.change(-point.loss),
            outcome_badge(point.outcome),
            _remarks(record, point),
        )
        for point in record.fastest_first
    ]
    return table("Measured in interleaved rounds on this machine, text to logits", head, rows, words=(1, 7, 8))


def _remarks(record: StudentsRecord, point: Point) -> Content:
    return ", ".join([*(["taken"] if record.is_taken(point) else []), *(["front"] if point.on_front else [])])


def tasks_table(record: StudentsRecord) -> Markup:
    """What each variant loses of each metric of each task."""
    head = ("model", "variant", "task", "sentences", "same answer", "metric", "value", "change", "worse end", "budget")
    rows: list[tuple[Content, ...]] = []
    for point in record.points:
        for task, change in point.tasks.items():
            agreement = number_format.percent(change.agreement) if not change.is_regression else ""
            first = (point.model, point.variant, task, number_format.count(change.sentences), agreement)
            further = (point.model, point.variant, task, "", "")
            for number, metric in enumerate(_metric_cells(change)):
                outcome = "" if number else outcome_badge(change.outcome)
                rows.append((*(further if number else first), *metric, outcome))
    caption = (
        "Compared with the teacher in PyTorch on the validation split; worse end: of the 95 % interval of the change"
    )
    return table(caption, head, rows, words=(1, 2, 5, 9))


def _metric_cells(change: TaskChange) -> Iterator[tuple[str, ...]]:
    """Name, value, change and its worse end of each metric; without labels, what differs from the teacher."""
    if change.difference is not None:
        yield "differs from the teacher", number_format.change(change.difference), "", ""
    for metric, moved in change.changes.items():
        name, is_share = METRICS[metric]
        scale, digits = (100.0, 2) if is_share else (1.0, 3)
        ends = (number_format.change(scale * value, digits) for value in (moved, change.lows[metric]))
        yield name, number_format.share(change.metrics[metric]), *ends


def students_table(record: StudentsRecord) -> Markup:
    """What is left of the teacher in each student."""
    rows = [(one.name, one.method, f"{one.seconds:,.0f}") for one in record.students]
    return table("Fully distilled students", ("student", "what is left of the teacher", "seconds"), rows, words=(1,))


def trials_table(record: StudentsRecord) -> Markup:
    """How the candidates did in their short distillations."""
    rows = [
        (
            trial.candidate,
            number_format.count(trial.rung + 1),
            number_format.count(trial.rows),
            f"{trial.divergence:.4f}",
        )
        for trial in record.trials
    ]
    caption = (
        "Short distillations that chose one candidate of each size: the better half goes on, with twice the rows if "
        "there are so many"
    )
    return table(caption, ("candidate", "round", "rows", "divergence"), rows)
