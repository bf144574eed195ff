"""The first line of a csv or tsv: the names of its columns, as they are and as they can be asked for."""

import re
from collections.abc import Sequence

__all__ = ["describe_first_line", "distinct_names"]

_MOST_WORDS = 4  # of a column's name
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_OTHER_SEPARATOR = re.compile(r"[\w\"'][^\w\s\"'.()-]|\s{2}")


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


def repeats_header(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a row is the header once more, with or without the byte order mark of the file that it was in."""
    return [cells[0].removeprefix("\ufeff"), *cells[1:]] == [header[0].removeprefix("\ufeff"), *header[1:]]


def describe_first_line(header: Sequence[str]) -> str:
    """Say so if the first line does not look like names: it is a comment, a row of data, or no line of a table."""
    start = header[0].lstrip() if header else ""
    if start.startswith("#"):
        return " (is line 1 a comment? the first line must name the columns)"
    if start.startswith(("{", "[")):
        return " (is this JSON? name it .jsonl if each line is an object)"
    if any(_CONTROL.search(name) for name in header):
        return " (line 1 has control characters: is this a table, and is it UTF-8?)"
    if len(header) == 1 and _OTHER_SEPARATOR.search(start):
        return " (line 1 has a single name; commas, semicolons, tabs or | stand between names)"
    if any(len(name.split()) > _MOST_WORDS or _is_number(name) for name in header):
        return " (is line 1 a row of data? the first line must name the columns)"
    return ""


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
