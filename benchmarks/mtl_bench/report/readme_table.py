"""results files of `mtl bench`, one for each kind of processor -> a page's benchmark table, between its two markers.

python -m mtl_bench.report.readme_table docs/benchmarks.md benchmarks/results/bench
python -m mtl_bench.report.readme_table README.md benchmarks/results/bench --shown amd-epyc-2c-avx512-vnni
"""

from collections.abc import Mapping
from pathlib import Path

import click

from mtl_bench.analysis.conclusions import conclusions
from mtl_bench.report.markdown import rows_markdown
from mtl_bench.report.markdown_table import cell, rewrite_page
from mtl_bench.report.processors_table import processors_markdown
from mtl_bench.results.by_processor import describe_processor, read_by_processor
from mtl_bench.results.files import read_report
from mtl_bench.results.schema import Report
from mtl_runtime.errors import MtlError

__all__ = ["SHORT_ROWS", "all_tables", "main", "short_table"]

_MARKER = "benchmark table"
# Ours, what most people start with, and the fastest others, as far as a report has them; docs/benchmarks.md has all.
SHORT_ROWS = (
    "cpu-fp32",
    "cpu-int8",
    "cpu-avx2-int8",
    "openvino-bf16-wheel",
    "torch-eager-fp32",
    "torchao-int8",
    "transformers-pipeline",
    "optimum-int8",
    "sentence-transformers-openvino-int8",
    "openvino-api-int8",
    "ctranslate2-int8",
    "setfit",
    "infinity-torch",
    "fastembed",
    "model2vec",
)


@click.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--shown", help="Only this processor's file, and one row of each project; default: all of everything.")
def main(page: Path, results: Path, shown: str | None) -> None:
    """Rewrite the benchmark table of PAGE from the files in the folder RESULTS."""
    try:
        if shown is None:
            tables = all_tables(read_by_processor(results))
        else:
            tables = short_table(read_report(results / f"{shown}.json"))
        rewrite_page(page, tables)
    except MtlError as error:
        raise click.ClickException(str(error)) from error


def all_tables(reports: Mapping[str, Report]) -> dict[str, str]:
    """Every row of every processor, by the name of its markers."""
    return {_MARKER: processors_markdown(reports)}


def short_table(report: Report) -> dict[str, str]:
    """Some rows of one processor, which one it is, and the verdict on throughput, by the name of its markers."""
    rows = rows_markdown(report, [name for name in SHORT_ROWS if name in report.systems])
    verdict = " ".join(map(cell, conclusions(report)[:2]))
    return {_MARKER: f"{rows}\nMeasured on {describe_processor(report.machine)}. {verdict}\n"}


if __name__ == "__main__":
    main()
