"""lines of a csv or tsv after its header -> rows of cells; a malformed row says why."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from mtl_runtime.tables.delimited.csv_module import MOST_CHARACTERS, csv_module
from mtl_runtime.tables.delimited.dialect import are_rows, is_enclosed, weigh_quotes
from mtl_runtime.tables.text_lines import TextLines

__all__ = ["RowCells", "describe_csv_error", "lines_of_a_row", "read_cells", "split_cells"]

_log = logging.getLogger(__name__)

_WEIGHED = 2**20  # bytes of a tsv, from its first quote on, that decide what its quotes are
# A part of what the csv module says -> what a user can do something with.
_CSV_PROBLEMS = {
    "unexpected end": "a quote that opens a cell is never closed",
    "expected after": "a cell goes on after its closing quote; write a quote inside a quoted cell twice",
    "new-line character": "a carriage return is in a cell without quotes; end all lines the same way",
    "field larger": f"a cell has more than {MOST_CHARACTERS:,} characters; is a quote left open?",
}


@dataclass(frozen=True, slots=True)
class RowCells:
    """A row whose cells have no names yet."""

    line: int  # where it starts
    cells: list[str]  # none: a blank line
    problem: str | None = None  # why it cannot be read


def read_cells(lines: TextLines, separator: str, width: int, *, quoted_header: bool) -> Iterator[RowCells]:
    """Read the rows behind a header of ``width`` names.

    Quotes enclose cells, except in a tsv without quotes in its header: there the rows show what they are.
    """
    if quoted_header:
        return _read_quoted(lines, separator, width, joined="accept")
    if separator == "\t":
        return _read_tabs(lines, width)
    return _read_quoted(lines, separator, width, joined="report")


def split_cells(line: str, separator: str) -> list[str]:
    """Split a line in which quotes are characters."""
    text = line.rstrip("\r\n")
    return text.split(separator) if text else []


def _read_tabs(lines: TextLines, width: int) -> Iterator[RowCells]:
    """Read a tsv; its first quote and what follows decide whether quotes enclose cells."""
    for line in lines:
        if '"' in line:
            lines.put_back(line)
            break
        yield RowCells(lines.number, split_cells(line, "\t"))
    ahead, complete = lines.look_ahead(_WEIGHED)
    if not ahead:
        return
    evidence = weigh_quotes(ahead, width, complete=complete)
    _log.info("%s: quotes %s", lines.path, "enclose cells" if evidence.enclose else "are characters")
    if evidence.undecided is not None:
        start, end = evidence.undecided
        message = "%s, lines %d to %d: read as %d rows; if a quoted cell joins them, save the file as csv or jsonl"
        _log.warning(message, lines.path, lines.number + start + 1, lines.number + end, end - start)
    if evidence.enclose:
        yield from _read_quoted(lines, "\t", width, joined="refuse")
    else:
        yield from (RowCells(lines.number, split_cells(line, "\t")) for line in lines)


def _read_quoted(
    lines: TextLines, separator: str, width: int, *, joined: Literal["accept", "refuse", "report"]
) -> Iterator[RowCells]:
    """Read rows with quotes around cells.

    Args:
        lines: of the file.
        separator: between cells.
        width: number of columns.
        joined: what becomes of lines that a quoted cell joins although each is a row by itself. "accept": they are one
            row. "report": also, and if the file has no other joined lines, a warning names the first. "refuse": they
            are a malformed row, or if quotes enclose all its cells, as for "report".
    """
    current: list[str] = []  # lines of the row
    module = csv_module()
    reader = module.reader(lines_of_a_row(lines, current), delimiter=separator, strict=True)
    doubtful: list[int] = []  # lines of the first doubtful row: from, to
    clear = 0
    while (row := _next_row(reader, lines, module.Error)) is not None:
        if len(current) > 1 and row.problem is None and joined != "accept":
            if not are_rows(current, separator, width):
                clear += 1
            elif joined == "refuse" and not is_enclosed("".join(current).rstrip("\r\n"), separator, width):
                row = _refuse(row, lines.number)
            else:
                doubtful = doubtful or [row.line, lines.number]
        yield row
        current.clear()
    if doubtful and not clear:
        message = "%s, lines %d to %d: read as one row, since a quoted cell joins them; if not, write its quotes twice"
        _log.warning(message, lines.path, *doubtful)


def lines_of_a_row(lines: TextLines, current: list[str]) -> Iterator[str]:
    """Yield ``lines``, and collect them in ``current``, which whoever reads them clears behind a row.

    Raises:
        TableError: while iterating, a row has too many bytes.
    """
    characters = 0
    for line in lines:
        characters = characters + len(line) if current else len(line)
        current.append(line)
        if characters > lines.max_row_bytes:
            raise lines.too_long(lines.number - len(current) + 1)
        yield line


def _next_row(reader: Any, lines: TextLines, error_type: type[Exception]) -> RowCells | None:
    start = lines.number + 1
    try:
        cells = next(reader, None)
    except error_type as error:
        return RowCells(start, [], f"{describe_csv_error(error)}{_name_lost_lines(start, lines.number)}")
    return None if cells is None else RowCells(start, cells)


def _refuse(row: RowCells, last: int) -> RowCells:
    problem = (
        f"lines {row.line} to {last} are one row if quotes enclose cells, and {last - row.line + 1} if they do not"
    )
    return RowCells(row.line, row.cells, f"{problem}; save the file as csv or jsonl")


def describe_csv_error(error: Exception) -> str:
    """Say what is wrong with a row, in the terms of its file."""
    message = str(error)
    return next((problem for part, problem in _CSV_PROBLEMS.items() if part in message), message)


def _name_lost_lines(start: int, end: int) -> str:
    """Name the lines that an open quote swallowed, so that none is lost silently."""
    return f"; lines {start} to {end} are lost in it" if end > start else ""
