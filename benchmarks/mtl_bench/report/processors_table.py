"""reports of several processors -> Markdown: all of them side by side, then each with its verdict and whole table."""

from collections.abc import Iterator, Mapping

from mtl_bench.analysis.conclusions import conclusions
from mtl_bench.analysis.summary import relative_speed, summarize
from mtl_bench.report.markdown import table_markdown
from mtl_bench.report.markdown_table import cell, markdown_table
from mtl_bench.results.schema import Report
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT

__all__ = ["processors_markdown"]


def processors_markdown(reports: Mapping[str, Report]) -> str:
    """The page's part about all systems; ``reports`` are by what their processors are called."""
    parts = [_side_by_side(reports), *(_section(name, report) for name, report in reports.items())]
    return "\n".join(parts)


def _side_by_side(reports: Mapping[str, Report]) -> str:
    """Texts per second of every system, and as a multiple of cpu-fp32 on the same processor."""
    titles = {
        name: f"**{cell(result.title)}**" if result.kind == "ours" else cell(result.title)
        for report in reports.values()
        for name, result in report.systems.items()
    }
    header = ["texts/s, and times cpu-fp32", *map(cell, reports)]
    rows = [[title, *(_speed(report, name) for report in reports.values())] for name, title in titles.items()]
    return markdown_table(header, rows, "l" + "r" * len(reports))


def _speed(report: Report, name: str) -> str:
    """Empty where the system was not measured on that processor."""
    result = report.systems.get(name)
    if result is None:
        return ""
    if not result.ran:
        return "failed"
    throughput, times = summarize(result).throughput, relative_speed(report, name, DEFAULT_VARIANT)
    if throughput is None:
        return ""
    return f"{throughput.median:,.0f}" + (f" ({times.median:.2f}x)" if times else "")


def _section(processor: str, report: Report) -> str:
    lines = [f"### {processor}", " ".join(_verdict(report)), table_markdown(report)]
    return "\n\n".join(lines)


def _verdict(report: Report) -> Iterator[str]:
    first, *others = map(cell, conclusions(report))
    yield f"Measured {report.conditions.started_at[:10]}. **{first}**"
    yield from others
