"""first lines of a csv or tsv -> the character between its cells, and whether quotes enclose them.

In csv quotes enclose cells (RFC 4180). A tsv has no such quotes by its registration as a media type, and many tools
write it so; others write a csv with tabs. The quotes themselves show which: docs/adr/0018-quotes-in-a-tsv.md.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtl_runtime.tables.delimited.csv_module import csv_module

__all__ = [
    "SEPARATORS",
    "QuoteEvidence",
    "are_rows",
    "find_excel_separator",
    "find_separator",
    "is_enclosed",
    "weigh_quotes",
]

SEPARATORS: Mapping[str, str] = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_LONE_CR = re.compile(r"\r(?!\n|\Z)")
_EXCEL_HINT = re.compile(r'"?sep=(.)"?\r?\n?')  # a first line that Excel reads and removes


def find_separator(line: str, default: str, columns: Sequence[str]) -> str:
    """Find what stands between the names in the first line of a file.

    Args:
        line: which names the columns.
        default: what the file's suffix promises.
        columns: that the caller will ask for: what shows one of them is right.
    """
    names = {separator: _split(line, separator) for separator in (default, *SEPARATORS)}
    for separator, cells in names.items():
        if not set(columns).isdisjoint(cells):
            return separator
    several = [separator for separator, cells in names.items() if len(cells) > 1]
    return several[0] if default not in several and len(several) == 1 else default


def find_excel_separator(line: str) -> str | None:
    """Return what a first line such as ``sep=;`` says; None for any other line."""
    match = _EXCEL_HINT.fullmatch(line)
    return match[1] if match else None


def _split(line: str, separator: str) -> list[str]:
    module = csv_module()
    try:
        return next(module.reader([line], delimiter=separator), [])
    except module.Error:
        return []


@dataclass(frozen=True, slots=True)
class QuoteEvidence:
    """Whether quotes enclose cells in a tsv, and the lines (from, to) that can be read either way, if nothing shows."""

    enclose: bool
    undecided: tuple[int, int] | None = None  # 0-based, in the lines that were weighed


def weigh_quotes(lines: Sequence[str], width: int, *, complete: bool) -> QuoteEvidence:
    """Decide whether quotes enclose cells in the rows of a tsv.

    They do if each quote of these lines opens, closes or is doubled inside a cell, as a tool writes that quotes, unless
    the only such cells join lines that are rows of their own.

    Args:
        lines: rows of the file, from the first that has a quote.
        width: number of columns.
        complete: whether the file ends with them.
    """
    evidence = False
    undecided: tuple[int, int] | None = None
    # A carriage return that is no line's end is no sign of either, but the csv module refuses it outside quotes.
    for start, end, cells in _read_quoted([_LONE_CR.sub(" ", line) for line in lines], complete=complete):
        if cells == []:
            continue  # a blank line
        text = "".join(lines[start:end]).rstrip("\r\n")
        alone = are_rows(lines[start:end], "\t", width)
        several = end - start > 1
        if cells is None or '"' in _enclosed_cell("\t").sub("", text) or (len(cells) != width and (alone or several)):
            return QuoteEvidence(False)
        if several and alone and not is_enclosed(text, "\t", width):
            undecided = undecided or (start, end)
        elif '"' in text and len(cells) == width:
            evidence = True
    return QuoteEvidence(evidence, None if evidence else undecided)


def _read_quoted(lines: Sequence[str], *, complete: bool) -> Iterator[tuple[int, int, list[str] | None]]:
    """Yield the rows of ``lines`` if quotes enclose cells: first line, line after the last, cells (None: malformed)."""
    module = csv_module()
    reader = module.reader(lines, delimiter="\t", strict=True)
    while True:
        start = reader.line_num
        try:
            cells = next(reader, None)
        except module.Error:
            if reader.line_num == len(lines) and not complete:
                return  # the row may go on behind these lines
            yield start, reader.line_num, None
            continue
        if cells is None:
            return
        yield start, reader.line_num, cells


def are_rows(lines: Sequence[str], separator: str, width: int) -> bool:
    """Whether each line is a row by itself if its quotes are characters."""
    return all(line.count(separator) + 1 == width for line in lines)


def is_enclosed(row: str, separator: str, width: int) -> bool:
    """Whether all cells of a row, and more than one, are in quotes."""
    rest, count = _enclosed_cell(separator).subn("", row)
    return count == width > 1 and not rest.strip(separator)


@functools.cache
def _enclosed_cell(separator: str) -> re.Pattern[str]:
    """A cell in quotes, from its start or a separator before it to its end or a separator after it."""
    mark = re.escape(separator)
    return re.compile(rf'(?<![^{mark}])"[^"]*(?:""[^"]*)*"(?![^{mark}])')
