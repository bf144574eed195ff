"""results file of `mtl bench` -> a page's benchmark table, between its two markers.

python -m mtl_bench.report.readme_table README.md benchmarks/results/bench.json --short
"""

from pathlib import Path

import click

from mtl_bench.report.markdown import rows_markdown, table_markdown
from mtl_bench.report.markdown_table import rewrite_page
from mtl_bench.results.files import read_report
from mtl_bench.results.schema import Report

__all__ = ["SHORT_ROWS", "benchmark_tables", "main"]

_MARKER = "benchmark table"
# Ours, and of each project what its users start with and the fastest of its systems.
SHORT_ROWS = (
    "cpu-fp32",
    "cpu-int8",
    "openvino-bf16-wheel",
    "torch-eager-fp32",
    "torch-compile-bf16",
    "transformers-pipeline",
    "transformers-onnx",
    "optimum-fp32",
    "optimum-int8",
    "sentence-transformers-torch",
    "sentence-transformers-openvino-bf16",
    "sentence-transformers-openvino-int8",
    "setfit",
    "infinity-torch",
    "fastembed",
)


@click.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--short", is_flag=True, help="Ours, and one row of each project; default: all rows, and remarks.")
def main(page: Path, results: Path, short: bool) -> None:
    """Rewrite the benchmark table of PAGE from RESULTS."""
    rewrite_page(page, benchmark_tables(read_report(results), short=short))


def benchmark_tables(report: Report, *, short: bool) -> dict[str, str]:
    """The table of ``report``, by the name of its markers.

    Raises:
        MtlError: the report lacks a row of the short table.
    """
    return {_MARKER: rows_markdown(report, SHORT_ROWS) if short else table_markdown(report)}


if __name__ == "__main__":
    main()
