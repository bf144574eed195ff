"""Report -> the columns of its table: their names, which way is better, and the cell of a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mtl_bench.analysis.ranking import task_accuracy
from mtl_bench.analysis.summary import Summary
from mtl_bench.report import units
from mtl_bench.results.schema import AnswerScores, Report, SystemResult
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.report import number_format

__all__ = ["MULTIPLE", "Cell", "Column", "columns"]

MULTIPLE = "multiple"  # kind of the column whose cells depend on the baseline that the reader chooses


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Its text, the value that it is sorted by, and the small text below."""

    text: str
    value: float
    small: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; ``cell`` gives None where nothing was measured."""

    group: str
    name: str
    more_is_better: bool
    cell: Callable[[SystemResult, Summary], Cell | None]
    kind: str = ""


def columns(report: Report) -> Sequence[Column]:
    """All of them, from the left, after the system's name."""
    return (
        *(_task_column("agreement with cpu-fp32", task, _agreement) for task in report.tasks),
        *(_task_column("accuracy", task, task_accuracy) for task in _tasks_with_accuracy(report)),
        *(
            Column(
                group="single stream, ms",
                name=f"p{rank}",
                more_is_better=False,
                cell=lambda _, summary, rank=rank: _estimate(summary.latency.get(rank), 1000),  # type: ignore[misc]
            )
            for rank in (50, 99)
        ),
        *_SPEEDS,
        Column(group=_server_group(report), name="texts/s", more_is_better=True, cell=_server_rate),
        *_COSTS,
    )


def _tasks_with_accuracy(report: Report) -> list[str]:
    """Tasks for which some system has an accuracy."""
    return [
        task
        for task in report.tasks
        if any(row.answers and task_accuracy(row.answers, task) is not None for row in report.systems.values())
    ]


def _server_group(report: Report) -> str:
    bounds = sorted({result.server.bound for result in report.systems.values() if result.server})
    return f"server, p99 in {' or '.join(map(units.milliseconds, bounds))}" if bounds else "server"


def _agreement(answers: AnswerScores, task: str) -> float | None:
    return answers.agreement.get(task)


def _task_column(group: str, task: str, share_of: Callable[[AnswerScores, str], float | None]) -> Column:
    def cell(result: SystemResult, _: Summary) -> Cell | None:
        share = share_of(result.answers, task) if result.answers else None
        return None if share is None else Cell(text=number_format.percent(share), value=share)

    return Column(group=group, name=task, more_is_better=True, cell=cell)


def _estimate(estimate: Estimate | None, factor: float = 1.0) -> Cell | None:
    if estimate is None:
        return None
    value = factor * estimate.median
    return Cell(text=number_format.small(value), value=value, small=units.interval(estimate, factor))


def _bytes(value: float | None) -> Cell | None:
    return None if value is None else Cell(text=units.megabytes(value), value=value)


def _server_rate(result: SystemResult, summary: Summary) -> Cell | None:
    """A system for which no rate stayed within the bound has a figure all the same: 0."""
    if result.server is None:
        return None
    return Cell(text=number_format.small(summary.server_rate or 0), value=summary.server_rate or 0.0)


_SPEEDS = (
    Column(
        group="offline",
        name="texts/s",
        more_is_better=True,
        cell=lambda _, summary: _estimate(summary.throughput),
        kind="strong",
    ),
    Column(group="offline", name="times", more_is_better=True, cell=lambda *_: None, kind=MULTIPLE),
)
_COSTS = (
    Column(
        group="cold start",
        name="s",
        more_is_better=False,
        cell=lambda _, summary: _estimate(summary.cold_start),
    ),
    Column(
        group="MB",
        name="peak memory",
        more_is_better=False,
        cell=lambda _, summary: _bytes(summary.peak_bytes),
    ),
    Column(group="MB", name="size", more_is_better=False, cell=lambda _, summary: _bytes(summary.size_bytes)),
)
