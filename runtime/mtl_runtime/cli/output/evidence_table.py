"""Evidence -> printed tables with a row for each variant and task: how good the answers are, and whether they agree."""

from collections.abc import Iterator

from mtl_runtime.cli.terminal import print_line, print_table
from mtl_runtime.core.intervals import accuracy_interval
from mtl_runtime.evidence.schema import Evidence, TaskEvidence, VariantEvidence
from mtl_runtime.report.comparison import METRICS

__all__ = ["print_evidence", "print_quality_on_data"]

_COLUMNS = (
    "variant",
    "task",
    "sentences",
    "labelled",
    "accuracy",
    "macro-F1",
    "agreement",
    "largest logit difference",
    "speed",
    "gate",
)
_OPTIONAL = ("largest logit difference", "macro-F1", "labelled", "accuracy")  # the first one is left out first
_QUALITY_COLUMNS = ("variant", "task", "rows", "metric", "value", "95 % interval", "majority")


def print_evidence(evidence: Evidence) -> None:
    """Print, for each variant and task, metrics, agreement with the reference, and the gate's decision."""
    rows = [row for name, measured in evidence.variants.items() for row in _rows(name, measured)]
    rows += [row for name, measured in evidence.refused.items() for row in _rows(f"{name} (refused)", measured)]
    data = ", ".join(evidence.data) or "the golden texts"
    title = f"Compared with {evidence.reference} on {data} ({evidence.machine.name})"
    print_table(title, _COLUMNS, rows, optional=_OPTIONAL)
    print_line(
        f"agreement: share of the sentences that get {evidence.reference}'s answer, right or wrong; verified: within "
        "the budget for that, which is no word on whether the answers are good"
    )
    print_line("")
    for name, measured in {**evidence.variants, **evidence.refused}.items():
        for remark in (*measured.problems, *([f"speed {measured.not_timed}"] if measured.not_timed else [])):
            print_table(f"{name}: {remark}", (), ())


def print_quality_on_data(evidence: Evidence) -> None:
    """Print how good the answers to the labelled rows of the user's file are; nothing where there are none."""
    rows = [
        row
        for name, measured in evidence.variants.items()
        for task, scores in measured.tasks.items()
        if scores.labelled
        for row in _quality_rows(name, task, scores)
    ]
    if rows:
        print_table(f"Is the model good on {', '.join(evidence.data)}? (labelled rows of it)", _QUALITY_COLUMNS, rows)
        print_line("Which rows are wrong, and how probable the answers were: mtl evaluate")
        print_line("")


def _quality_rows(variant: str, task: str, scores: TaskEvidence) -> Iterator[tuple[str, ...]]:
    first = (variant, task, f"{scores.labelled:,}")
    for metric, value in scores.metrics.items():
        interval, majority = "", ""
        if metric == "accuracy":
            low, high = accuracy_interval(value, scores.labelled)
            interval = f"{low:.3f} to {high:.3f}"
            majority = "" if scores.majority_accuracy is None else f"{scores.majority_accuracy:.3f}"
        yield (*first, METRICS[metric][0], f"{value:.3f}", interval, majority)
        first = ("", "", "")


def _rows(name: str, measured: VariantEvidence) -> Iterator[tuple[str, ...]]:
    speed = f"{measured.speed.median:.2f}x" if measured.speed else "not measured" if measured.not_timed else ""
    if not measured.tasks:
        yield (name, *[""] * (len(_COLUMNS) - 2), measured.status)
    for task, evidence in measured.tasks.items():
        yield (name, task, *_cells(evidence), speed, "; ".join(evidence.problems) or measured.status)


def _cells(task: TaskEvidence) -> tuple[str, ...]:
    scores = (task.metrics.get("accuracy"), task.metrics.get("macro_f1"))
    shares = ("" if score is None else f"{score:.3f}" for score in scores)
    counts = (f"{task.sentences:,}", f"{task.labelled:,}")
    return *counts, *shares, f"{100 * task.agreement:.4g} %", f"{task.max_logit_difference:.1e}"
