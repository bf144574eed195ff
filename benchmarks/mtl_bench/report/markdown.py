"""Report -> Markdown: the table for the README, or a comment on a pull request with verdict and circumstances."""

from collections.abc import Sequence

from mtl_bench.analysis.conclusions import conclusions
from mtl_bench.report.markdown_table import cell, markdown_table
from mtl_bench.report.text_table import text_table
from mtl_bench.results.schema import Report
from mtl_runtime.errors import MtlError

__all__ = ["report_markdown", "rows_markdown", "table_markdown"]


def report_markdown(report: Report) -> str:
    """Verdict, circumstances, table and warnings."""
    workload, machine = report.workload, report.machine
    circumstances = "; ".join(
        [
            f"{workload.texts:,} texts ({workload.name})",
            f"{machine.cpu}, {machine.cores_allowed} of {machine.cores} cores",
            ", ".join(f"{package} {version}" for package, version in report.made_with.items()),
            report.conditions.started_at,
        ]
    )
    first, *others = map(cell, conclusions(report))
    heads = [
        f"### `mtl bench` of {cell(report.bundle)}",
        f"**{first}** {' '.join(others)}".rstrip(),
        cell(circumstances),
    ]
    return "\n\n".join([*heads, table_markdown(report)])


def table_markdown(report: Report) -> str:
    """The table, ours in bold, and under it failures, warnings and what was left out."""
    remarks = "".join(f"- {cell(remark)}\n" for remark in text_table(report).remarks)
    return "\n".join(filter(None, [rows_markdown(report), remarks]))


def rows_markdown(report: Report, systems: Sequence[str] = ()) -> str:
    """The table alone; of ``systems``, in that order, or of all.

    Raises:
        MtlError: one of them is not in the report.
    """
    table = text_table(report)
    for name in systems:
        if name not in table.rows:
            raise MtlError(f"there is no system {name!r} in the results; there are: {', '.join(table.rows)}")
    rows = [
        [f"**{cell(title)}**" if report.systems[name].kind == "ours" else cell(title), *map(cell, cells)]
        for name in systems or table.rows
        for title, *cells in [table.rows[name]]
    ]
    return markdown_table([cell(title) for title in table.header], rows, "l" + "r" * (len(table.header) - 1))
