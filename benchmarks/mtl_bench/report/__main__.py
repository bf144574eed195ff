"""results.json -> report.html: ``python -m mtl_bench.report results.json report.html``."""

from pathlib import Path

import click

from mtl_bench.report.document import report_page
from mtl_bench.results.files import write_output
from mtl_bench.results.schema import Report
from mtl_runtime.core.records import from_json
from mtl_runtime.errors import MtlError


@click.command()
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("page", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--title", help="Heading of the page; default: the bundle's name.")
def main(results: Path, page: Path, title: str | None) -> None:
    """Write the PAGE of the run whose raw values are in RESULTS."""
    try:
        report = from_json(Report, results.read_bytes(), where=results.name)
        write_output(page, report_page(report, title=title or report.bundle))
    except MtlError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{page}: {len(report.systems)} systems")


if __name__ == "__main__":
    main()
