"""Report -> TextTable: a row for each system, a column for each figure that any of them has, and remarks below."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mtl_bench.analysis.summary import Summary, relative_speed, summarize
from mtl_bench.results.schema import Report, SystemResult
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.evidence.schema import Estimate

__all__ = ["TextTable", "text_table"]

# The metric that is shown, by kind of task: its key, and its name.
_METRICS: Mapping[str, tuple[str, str]] = {
    "single_label": ("accuracy", "accuracy"),
    "multi_label": ("accuracy", "accuracy"),
    "regression": ("pearson", "correlation"),
}
_FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """Cells are plain text; the row of a system without figures says that it failed, and a remark gives the reason.

    Attributes:
        header: names of the columns; the first is that of the systems.
        rows: cells by system, in the report's order.
        remarks: failures, warnings and what was left out, a line each.
    """

    header: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _SystemRow:
    result: SystemResult
    figures: Summary
    speed: Estimate | None  # as a multiple of the baseline


_Column = tuple[str, Callable[[_SystemRow], str]]


def text_table(report: Report, *, baseline: str = DEFAULT_VARIANT) -> TextTable:
    """Make the table of a run; a column in which no system has a figure is left out.

    Args:
        report: the run.
        baseline: the system that speeds are multiples of.
    """
    rows = {name: _row(report, name, baseline) for name in report.systems}
    first, *others = _columns(report, baseline)
    columns = [first, *((title, show) for title, show in others if any(show(row) for row in rows.values()))]
    return TextTable(
        header=("system", *(title for title, _ in columns)),
        rows={name: (row.result.title, *(show(row) for _, show in columns)) for name, row in rows.items()},
        remarks=tuple(_remarks(report)),
    )


def _row(report: Report, name: str, baseline: str) -> _SystemRow:
    result = report.systems[name]
    speed = relative_speed(report, name, baseline) if baseline in report.systems else None
    return _SystemRow(result, summarize(result), speed)


def _columns(report: Report, baseline: str) -> Iterator[_Column]:
    yield ("worst agreement" if len(report.tasks) > 1 else "agreement"), _agreement
    yield "gate", lambda row: row.result.status or ""
    for task, kind in report.tasks.items():
        key, name = _METRICS[kind]
        yield f"{task}: {name}", _metric(task, key)
    yield "p50 / p99, ms", lambda row: _percentiles(row.figures.latency)
    yield "texts/s", lambda row: _with_interval(row.figures.throughput, ",.0f")
    yield f"times {baseline}", lambda row: f"{row.speed.median:.2f}x" if row.speed else ""
    yield _server_title(report), lambda row: _server_rate(row.result, row.figures)
    yield "cold start, s", lambda row: f"{row.figures.cold_start.median:.2f}" if row.figures.cold_start else ""
    yield "memory, MB", lambda row: _megabytes(row.figures.peak_bytes)
    yield "size, MB", lambda row: _megabytes(row.figures.size_bytes)


def _agreement(row: _SystemRow) -> str:
    """Of the task where it is lowest; a system that failed is marked here."""
    if not row.result.ran:
        return _FAILED
    answers = row.result.answers
    return f"{min(answers.agreement.values()):.2%}" if answers and answers.agreement else ""


def _metric(task: str, key: str) -> Callable[[_SystemRow], str]:
    def show(row: _SystemRow) -> str:
        metrics = row.result.answers.metrics.get(task, {}) if row.result.answers else {}
        return f"{metrics[key]:.3f}" if key in metrics else ""

    return show


def _percentiles(latency: Mapping[int, Estimate]) -> str:
    return f"{1e3 * latency[50].median:.2f} / {1e3 * latency[99].median:.2f}" if latency else ""


def _with_interval(estimate: Estimate | None, form: str) -> str:
    return f"{estimate.median:{form}} ({estimate.low:{form}} to {estimate.high:{form}})" if estimate else ""


def _server_title(report: Report) -> str:
    bounds = sorted({row.server.bound for row in report.systems.values() if row.server})
    return f"texts/s with p99 below {' or '.join(f'{1e3 * bound:g}' for bound in bounds)} ms"


def _server_rate(result: SystemResult, figures: Summary) -> str:
    """The highest rate within the bound, and the next one tried that was not."""
    if result.server is None:
        return ""
    if figures.server_rate is None:
        return "none held"
    return f"{figures.server_rate:,.0f}" + (f", not {figures.server_limit:,.0f}" if figures.server_limit else "")


def _megabytes(size: int | None) -> str:
    return f"{size / 1e6:,.0f}" if size is not None else ""


def _remarks(report: Report) -> Iterator[str]:
    for row in report.systems.values():
        if row.error is not None:
            yield f"{row.title} failed: {row.error.splitlines()[0] if row.error else 'no reason is known'}"
        yield from (f"{row.title}: {warning}" for warning in row.warnings)
    yield from report.warnings
    yield from (f"{part} was left out: {why}" for part, why in report.skipped.items())
