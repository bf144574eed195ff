"""A comparison -> a printed table: what a variant loses compared with its teacher, or another bundle, task by task."""

from collections.abc import Iterator

from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.cli.terminal import print_line, print_table
from mtl_runtime.evidence.schema import Evidence, TeacherComparison
from mtl_runtime.gate.compare_bundles import BundleComparison
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.number_format import change, plural
from mtl_runtime.report.teacher.outcomes import describe_outcome

__all__ = ["print_bundle_comparison", "print_teacher_comparison"]

_LAST_COLUMNS = ("change", "95 % interval", "same answer", "budget")


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
    columns = ("variant", "task", "metric", "student", "teacher", *_LAST_COLUMNS)
    print_table("Compared with the teacher", columns, rows, optional=("same answer", "teacher"))
    print_line(
        "change: points of 100; same answer: share of the sentences that get the teacher's answer, right or wrong"
    )
    print_line("")


def print_bundle_comparison(comparison: BundleComparison) -> None:
    """Print the metrics of both bundles, the change with its interval, and whether the budget holds."""
    rows = [row for task, compared in comparison.tasks.items() for row in _rows(comparison.variant, task, compared)]
    title = f"Compared with {DEFAULT_VARIANT} of {comparison.against} on {plural(comparison.sentences, 'sentence')}"
    columns = ("variant", "task", "metric", "bundle", "against", *_LAST_COLUMNS)
    print_table(title, columns, rows, optional=("same answer", "against"))
    print_line("change: points of 100; same answer: share of the sentences that get the same one, right or wrong")


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
