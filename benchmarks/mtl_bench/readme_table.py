"""results file of `mtl bench` -> a page's benchmark table, between its two markers.

python -m mtl_bench.readme_table README.md benchmarks/results/bench.json
"""

from pathlib import Path

import click

from mtl_bench.markdown import with_table
from mtl_bench.report_files import read_report
from mtl_bench.text.markdown import table_markdown

__all__ = ["MARKERS", "main"]

MARKERS = "benchmark table"


@click.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.argument("results", type=click.Path(path_type=Path))
def main(page: Path, results: Path) -> None:
    """Rewrite the benchmark table of PAGE from RESULTS."""
    page.write_text(with_table(page.read_text("utf-8"), MARKERS, table_markdown(read_report(results))), "utf-8")


if __name__ == "__main__":
    main()
