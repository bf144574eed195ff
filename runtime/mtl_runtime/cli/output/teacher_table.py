"""Evidence of a student -> a printed table: what each variant loses compared with its teacher, task by task."""

from collections.abc import Iterator

from mtl_runtime.cli.terminal import print_line, print_table
from mtl_runtime.evidence.schema import Evidence, TeacherComparison
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.number_format import change
from mtl_runtime.report.teacher.outcomes import describe_outcome

__all__ = ["print_teacher_comparison"]

_COLUMNS = ("variant", "task", "metric", "student", "teacher", "change", "95 % interval", "same answer", "budget")
_OPTIONAL = ("same answer", "teacher")  # the first one is left out first


def print_teacher_comparison(evidence: Evidence) -> None:
    """Print the metrics of each variant and its teacher, the change with its interval, and whether the budget holds."""
    rows = [
        row
        for name, measured in {**evidence.variants, **evidence.refused}.items()
        for task, compared in measured.teacher.items()
        for row in _rows(name, task, compared)
    ]
    if not rows:
        return
    print_table("Compared with the teacher", _COLUMNS, rows, optional=_OPTIONAL)
    print_line(
        "change: points of 100; same answer: share of the sentences that get the teacher's answer, right or wrong"
    )
    print_line("")


def _rows(variant: str, task: str, compared: TeacherComparison) -> Iterator[tuple[str, ...]]:
    answers = compared.answers
    agreement = "" if answers.kind == "regression" else f"{100 * answers.agreement:.2f} %"
    last = (agreement, describe_outcome(compared))
    if not compared.changes:
        yield (variant, task, "", "", "", "", "", *last)
    for metric, moved in compared.changes.items():
        name, is_share = METRICS[metric]
        scale = 100.0 if is_share else 1.0
        values = (f"{side[metric]:.3f}" for side in (answers.metrics, answers.reference_metrics))
        interval = f"{change(scale * moved.low)} to {change(scale * moved.high)}"
        yield (variant, task, name, *values, change(scale * moved.change), interval, *last)
        variant, task, last = "", "", ("", "")  # once for each task
