"""The first line of a csv or tsv: the names of its columns, as they are and as they can be asked for."""

from collections.abc import Sequence

__all__ = ["describe_first_line", "distinct_names"]

_MOST_WORDS = 4  # of a column's name


def distinct_names(header: Sequence[str]) -> tuple[str, ...]:
    """Give a column without a name, or with the name of an earlier one, its position: ``column 3``."""
    names: dict[str, None] = {}
    written = set(header)
    for number, name in enumerate(header, 1):
        names[name if name.strip() and name not in names else _unused_name(f"column {number}", written)] = None
    return tuple(names)


def _unused_name(name: str, used: set[str]) -> str:
    while name in used:
        name += "'"
    return name


def describe_first_line(header: Sequence[str]) -> str:
    """Say so if the first line does not look like names: it is a comment, or a row of data."""
    if header and header[0].lstrip().startswith("#"):
        return " (is line 1 a comment? the first line must name the columns)"
    if any(len(name.split()) > _MOST_WORDS or _is_number(name) for name in header):
        return " (is line 1 a row of data? the first line must name the columns)"
    return ""


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
