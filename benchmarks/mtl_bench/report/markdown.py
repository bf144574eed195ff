"""Report -> Markdown: the table for the README, and with verdict and circumstances a comment on a pull request."""

from collections.abc import Sequence

from mtl_bench.analysis.conclusions import conclusions
from mtl_bench.report.markdown_table import cell, markdown_table
from mtl_bench.report.text_table import table
from mtl_bench.results.schema import Report
from mtl_runtime.errors import MtlError

__all__ = ["report_markdown", "rows_markdown", "table_markdown"]


def report_markdown(report: Report) -> str:
    """Verdict, circumstances, table and doubts."""
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
    """The table, ours in bold, and under it failures, doubts and what was left out."""
    remarks = "".join(f"- {cell(remark)}\n" for remark in table(report).remarks)
    return "\n".join(filter(None, [rows_markdown(report), remarks]))


def rows_markdown(report: Report, systems: Sequence[str] = ()) -> str:
    """The table alone; of ``systems``, in that order, or of all.

    Raises:
        MtlError: one of them is not in the report.
    """
    found = table(report)
    for name in systems:
        if name not in found.rows:
            raise MtlError(f"there is no system {name!r} in the results; there are: {', '.join(found.rows)}")
    rows = [
        [f"**{cell(title)}**" if report.systems[name].kind == "ours" else cell(title), *map(cell, cells)]
        for name in systems or found.rows
        for title, *cells in [found.rows[name]]
    ]
    return markdown_table([cell(title) for title in found.header], rows, "l" + "r" * (len(found.header) - 1))
