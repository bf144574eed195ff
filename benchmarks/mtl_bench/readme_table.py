"""results file of `mtl bench` -> a page's benchmark table, between its two markers.

python -m mtl_bench.readme_table README.md benchmarks/results/bench.json --systems cpu-int8,torch-eager-fp32
"""

from pathlib import Path

import click

from mtl_bench.markdown import with_table
from mtl_bench.report_files import read_report
from mtl_bench.schema import Report
from mtl_bench.text.markdown import rows_markdown, table_markdown

__all__ = ["MARKERS", "main", "rewritten"]

MARKERS = "benchmark table"


@click.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--systems", default="", help="Only these rows, separated by commas, without remarks; default: all.")
def main(page: Path, results: Path, systems: str) -> None:
    """Rewrite the benchmark table of PAGE from RESULTS."""
    page.write_text(rewritten(page.read_text("utf-8"), read_report(results), systems), "utf-8")


def rewritten(page: str, report: Report, systems: str = "") -> str:
    """The page with the table of ``report`` between its markers.

    Raises:
        MtlError: the page has no markers, or the report no such system.
    """
    names = [name for name in systems.split(",") if name]
    return with_table(page, MARKERS, rows_markdown(report, names) if names else table_markdown(report))


if __name__ == "__main__":
    main()
