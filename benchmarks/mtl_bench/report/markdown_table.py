"""header and rows -> a Markdown table; page and table -> the page with the table between its markers."""

from collections.abc import Sequence

from mtl_runtime.cli.terminal import printable
from mtl_runtime.errors import MtlError

__all__ = ["cell", "markdown_table", "with_table"]


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
    """``text`` as it may stand in a cell: on one line, its bars no ends of cells, its angles no HTML."""
    return printable(" ".join(text.split())).replace("|", r"\|").replace("<", "&lt;")


def with_table(page: str, name: str, table: str) -> str:
    """``page`` with ``table`` between its markers ``<!-- NAME: start -->`` and ``<!-- NAME: end -->``.

    Raises:
        MtlError: a marker is missing.
    """
    opening, closing = f"<!-- {name}: start -->\n", f"<!-- {name}: end -->\n"
    before, start, rest = page.partition(opening)
    _, end, after = rest.partition(closing)
    if not start or not end:
        raise MtlError(f"the page has no markers {opening.strip()} and {closing.strip()}, each on a line of its own")
    return before + start + table + end + after
