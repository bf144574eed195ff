"""header and rows -> a Markdown table; page and tables -> the page with the tables between their markers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click

from mtl_bench.results.files import read_results, write_output
from mtl_runtime.cli.terminal import printable
from mtl_runtime.errors import MtlError

__all__ = ["cell", "fill_tables", "markdown_table", "rewrite_page", "tables_command"]

R = TypeVar("R")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table with its last newline; empty where there are no rows.

    Args:
        header: names of the columns.
        rows: their cells.
        align: a letter for each column, l or r.
    """
    if not rows:
        return ""
    rule = ["---" if side == "l" else "--:" for side in align]
    lines = [f"| {' | '.join(header)} |", f"|{'|'.join(rule)}|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """``text`` as a cell: on one line, its bars and angle brackets escaped."""
    return printable(" ".join(text.split())).replace("|", r"\|").replace("<", "&lt;")


def fill_tables(page: str, tables: Mapping[str, str]) -> str:
    """``page`` with each table between its markers ``<!-- NAME: start -->`` and ``<!-- NAME: end -->``.

    Raises:
        MtlError: a marker is missing.
    """
    for name, table in tables.items():
        opening, closing = f"<!-- {name}: start -->\n", f"<!-- {name}: end -->\n"
        before, start, rest = page.partition(opening)
        _, end, after = rest.partition(closing)
        if not start or not end:
            markers = f"{opening.strip()} and {closing.strip()}"
            raise MtlError(f"the page has no markers {markers}, each on a line of its own")
        page = before + start + table + end + after
    return page


def rewrite_page(page: Path, tables: Mapping[str, str]) -> None:
    """Fill the tables of the file ``page``.

    Raises:
        MtlError: a marker is missing.
    """
    write_output(page, fill_tables(page.read_text("utf-8"), tables))


def tables_command(kind: type[R], tables: Callable[[R], Mapping[str, str]]) -> click.Command:
    """A study's command that fills the tables of a page.

    Args:
        kind: of the study's results.
        tables: results -> tables by the name of their markers.
    """

    @click.command()
    @click.argument("results", type=click.Path(path_type=Path))
    @click.argument("page", type=click.Path(path_type=Path, exists=True))
    def main(results: Path, page: Path) -> None:
        """Put the tables of RESULTS into PAGE."""
        try:
            rewrite_page(page, tables(read_results(kind, results)))
        except MtlError as error:
            raise click.ClickException(str(error)) from error

    return main
