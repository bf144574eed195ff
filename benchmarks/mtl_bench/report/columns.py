"""Report -> the columns of its table: how each is named, which way is better, and what a row says in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mtl_bench.analysis.ranking import task_accuracy
from mtl_bench.analysis.summary import Summary
from mtl_bench.report import units
from mtl_bench.results.schema import Answers, Report, SystemResult
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.report import number_format

__all__ = ["AGAINST", "Cell", "Column", "columns"]

AGAINST = "against"  # the column whose cells follow the reader's choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is shown, what is sorted by, and what stands small below."""

    shown: str
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
        *(_task_column("accuracy", task, task_accuracy) for task in _judged(report)),
        *(
            Column(
                group="single stream, ms",
                name=f"p{rank}",
                more_is_better=False,
                cell=lambda _, row, rank=rank: _ratio(row.latency.get(rank), 1000),  # type: ignore[misc]
            )
            for rank in (50, 99)
        ),
        *_SPEEDS,
        Column(group=_server_group(report), name="texts/s", more_is_better=True, cell=_rate_within),
        *_COSTS,
    )


def _judged(report: Report) -> list[str]:
    """Tasks that some system has an accuracy for."""
    return [
        task
        for task in report.tasks
        if any(row.answers and task_accuracy(row.answers, task) is not None for row in report.systems.values())
    ]


def _server_group(report: Report) -> str:
    bounds = sorted({result.server.bound for result in report.systems.values() if result.server})
    return f"server, p99 in {' or '.join(map(units.milliseconds, bounds))}" if bounds else "server"


def _agreement(answers: Answers, task: str) -> float | None:
    return answers.agreement.get(task)


def _task_column(group: str, task: str, share_of: Callable[[Answers, str], float | None]) -> Column:
    def cell(result: SystemResult, _: Summary) -> Cell | None:
        share = share_of(result.answers, task) if result.answers else None
        return None if share is None else Cell(shown=number_format.percent(share), value=share)

    return Column(group=group, name=task, more_is_better=True, cell=cell)


def _ratio(measured: Estimate | None, factor: float = 1.0) -> Cell | None:
    if measured is None:
        return None
    value = factor * measured.median
    return Cell(shown=number_format.small(value), value=value, small=units.span(measured, factor))


def _plain(value: float | None) -> Cell | None:
    return None if value is None else Cell(shown=number_format.small(value), value=value)


def _bytes(value: float | None) -> Cell | None:
    return None if value is None else Cell(shown=units.megabytes(value), value=value)


def _rate_within(result: SystemResult, row: Summary) -> Cell | None:
    """A system that held no rate has a figure all the same: nothing."""
    if result.server is None:
        return None
    return Cell(shown=number_format.small(row.server_rate or 0), value=row.server_rate or 0.0)


_SPEEDS = (
    Column(
        group="offline", name="texts/s", more_is_better=True, cell=lambda _, row: _ratio(row.throughput), kind="strong"
    ),
    Column(group="offline", name="times", more_is_better=True, cell=lambda *_: None, kind=AGAINST),
)
_COSTS = (
    Column(group="cold start", name="s", more_is_better=False, cell=lambda _, row: _ratio(row.cold_start)),
    Column(group="MB", name="peak memory", more_is_better=False, cell=lambda _, row: _bytes(row.peak_bytes)),
    Column(group="MB", name="size", more_is_better=False, cell=lambda _, row: _bytes(row.size_bytes)),
)
