"""EvaluationReport -> printed tables: figures first, then labels, confusions and the wrong answers as sentences."""

from collections.abc import Iterator

from mtl_runtime.cli.terminal import print_line, print_table
from mtl_runtime.evaluation.evaluation_report import EvaluationReport, LabelScores, Score, TaskEvaluation, WrongAnswer
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.wording import shorten

__all__ = ["print_evaluation"]

_LISTED_LABELS, _LISTED_CONFUSIONS = 20, 10
_LONGEST_TEXT = 160  # characters of a sentence in the table; the file has all of it
_QUOTED_SHARE = 0.8  # of the answers: what is said in a line; --json has more


def print_evaluation(report: EvaluationReport, *, wrong: int) -> None:
    """Print what was measured, and at most ``wrong`` wrong answers of each task."""
    title = f"How good is it on {report.file}? ({report.rows:,} rows, answered by {report.variant})"
    columns = ("task", "rows", "metric", "this model", "95 % interval", "majority")
    print_table(title, columns, [row for name, task in report.tasks.items() for row in _score_rows(name, task)])
    for name, task in report.tasks.items():
        _print_labels(name, task)
        _print_confusions(name, task)
        _print_confident(name, task)
        _print_wrong(name, task, wrong)


def _score_rows(name: str, task: TaskEvaluation) -> Iterator[tuple[str, ...]]:
    if not task.scores:
        yield name, "0", "", "", "", ""
    first = (name, f"{task.rows:,}")
    for metric, score in task.scores.items():
        yield (*first, METRICS[metric][0], _number(score.value), _interval(score), _number(score.majority))
        first = ("", "")


def _interval(score: Score) -> str:
    return "" if score.low is None or score.high is None else f"{_number(score.low)} to {_number(score.high)}"


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:.4g}"


def _print_labels(name: str, task: TaskEvaluation) -> None:
    """Print precision and recall; of many labels, those that are found worst."""
    labels = list(task.labels)
    remark = ""
    if len(labels) > _LISTED_LABELS:
        occurring = [label for label in labels if label.recall is not None]
        labels = sorted(occurring, key=lambda label: (label.recall or 0.0, -label.rows))[:_LISTED_LABELS]
        remark = f", the {len(labels)} of {len(task.labels):,} that are found least"
    if task.rows and labels:
        print_table(f"{name}: labels{remark}", ("label", "rows", "precision", "recall"), list(map(_label_row, labels)))


def _label_row(label: LabelScores) -> tuple[str, ...]:
    shares = ("" if share is None else f"{share:.3f}" for share in (label.precision, label.recall))
    return label.label, f"{label.rows:,}", *shares


def _print_confusions(name: str, task: TaskEvaluation) -> None:
    shown = task.confusions[:_LISTED_CONFUSIONS]
    if shown:
        of = f", {len(shown)} of {len(task.confusions):,}" if len(shown) < len(task.confusions) else ""
        rows = [(pair.truth, pair.answer, f"{pair.rows:,}") for pair in shown]
        print_table(f"{name}: most frequent confusions{of}", ("truth", "answer", "rows"), rows)


def _print_confident(name: str, task: TaskEvaluation) -> None:
    """Say in a line what is gained by keeping the answers that are likely, and handing the others to people."""
    points = [point for point in task.confident if point.accuracy_below is not None]
    if points:
        point = min(points, key=lambda point: abs(point.share - _QUOTED_SHARE))
        print_line(
            f"{name}: of the {100 * point.share:.0f} % of answers with a probability of at least "
            f"{point.probability:.3g}, {100 * point.accuracy:.0f} % are right; of the others, "
            f"{100 * (point.accuracy_below or 0.0):.0f} %"
        )
        print_line("")


def _print_wrong(name: str, task: TaskEvaluation, most: int) -> None:
    shown = task.wrong[:most]
    if not shown:
        return
    is_number = task.kind == "regression"
    order = "largest errors first" if is_number else "surest first"
    title = f"{name}: wrong answers, {order} ({len(shown)} of {len(task.wrong):,})"
    columns = ("truth", "answer", "error" if is_number else "probability", "line", "text")
    print_table(title, columns, [_wrong_row(answer) for answer in shown])


def _wrong_row(wrong: WrongAnswer) -> tuple[str, ...]:
    size = wrong.probability if wrong.error is None else wrong.error
    text = shorten(" ".join(wrong.text.split()), _LONGEST_TEXT)
    return wrong.truth or "(none)", wrong.answer or "(none)", f"{size:.3g}", str(wrong.line), text
