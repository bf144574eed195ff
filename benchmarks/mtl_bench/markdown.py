"""header and rows -> a Markdown table, as pages and the README hold them."""

from collections.abc import Sequence

__all__ = ["markdown_table"]


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
