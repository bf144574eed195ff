"""Report -> Markdown: the table for the README, and with verdict and circumstances a comment on a pull request."""

from mtl_bench.markdown import cell, markdown_table
from mtl_bench.schema import Report
from mtl_bench.text.table import table
from mtl_bench.text.verdict import verdict

__all__ = ["report_markdown", "table_markdown"]


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
    heads = [f"### `mtl bench` of {cell(report.bundle)}", f"**{cell(verdict(report))}**", cell(circumstances)]
    return "\n\n".join([*heads, table_markdown(report)])


def table_markdown(report: Report) -> str:
    """The table, ours in bold, and under it failures, doubts and what was left out."""
    found = table(report)
    rows = [
        [f"**{cell(title)}**" if report.systems[name].kind == "ours" else cell(title), *map(cell, cells)]
        for name, (title, *cells) in found.rows.items()
    ]
    remarks = "".join(f"- {cell(remark)}\n" for remark in found.remarks)
    text = markdown_table([cell(title) for title in found.header], rows, "l" + "r" * (len(found.header) - 1))
    return f"{text}\n{remarks}" if remarks else text
