"""cells of a table + width of the terminal -> the columns that fit, and how wide each is."""

from collections.abc import Sequence

from rich.cells import cell_len

__all__ = ["fit_columns"]

_BETWEEN = 3  # what rich puts between two columns, and as much around them
# A longer word, such as a hash or a path, may be broken.
_LONGEST_WORD = 20


def fit_columns(
    grid: Sequence[Sequence[str]], room: int, *, optional: Sequence[str] = ()
) -> tuple[list[int], list[int | None]]:
    """Choose which columns are shown, and their widths, so that no header and no short word is broken.

    Args:
        grid: the header, then the rows.
        room: characters of a line.
        optional: headers of columns that may be left out, the first one first.

    Returns:
        The indices of the columns, and the width of each; None where not even these fit, and the table breaks words.
    """
    header = grid[0]
    natural = [max(map(_longest_line, column)) for column in zip(*grid, strict=True)]
    least = [
        min(wide, max([_longest_word(column[0]), *(min(_longest_word(cell), _LONGEST_WORD) for cell in column[1:])]))
        for wide, column in zip(natural, zip(*grid, strict=True), strict=True)
    ]
    shown = list(range(len(header)))
    for name in (*optional, None):
        free = room - _BETWEEN * len(shown)
        if (widths := _shrink([natural[i] for i in shown], [least[i] for i in shown], free)) is not None:
            return shown, list(widths)
        shown = [i for i in shown if header[i] != name]
    return shown, [None] * len(shown)


def _shrink(natural: Sequence[int], least: Sequence[int], free: int) -> list[int] | None:
    """Take from the widest columns what the line lacks; None where their words need more."""
    if sum(least) > free:
        return None
    widths = [max(low, min(wide, free)) for wide, low in zip(natural, least, strict=True)]
    while sum(widths) > free:
        wide = max((i for i in range(len(widths)) if widths[i] > least[i]), key=widths.__getitem__)
        widths[wide] -= 1
    return widths


def _longest_line(cell: str) -> int:
    return max(map(cell_len, cell.split("\n")))


def _longest_word(cell: str) -> int:
    return max(map(cell_len, cell.split()), default=0)
