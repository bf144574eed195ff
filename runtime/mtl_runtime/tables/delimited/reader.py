"""csv or tsv file -> Table; its header shows what stands between cells."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtl_runtime.errors import TableError
from mtl_runtime.tables.delimited.cells import RowCells, describe_csv_error, lines_of_a_row, read_cells, split_cells
from mtl_runtime.tables.delimited.csv_module import csv_module
from mtl_runtime.tables.delimited.dialect import SEPARATORS, find_excel_separator, find_separator
from mtl_runtime.tables.delimited.header import describe_first_line, distinct_names, repeats_header
from mtl_runtime.tables.table import BadRow, Row, Table, TableSource
from mtl_runtime.tables.text_lines import TextLines
from mtl_runtime.tables.text_ranges import text_lines_of

__all__ = ["DEFAULT_SEPARATORS", "RowStart", "find_row_starts", "read_delimited"]

_log = logging.getLogger(__name__)

DEFAULT_SEPARATORS: Mapping[str, str] = {"csv": ",", "tsv": "\t"}

_MOST_COLUMNS = 2**20


def read_delimited(source: TableSource) -> Table:
    """Read the header; the rows are read as they are asked for.

    Raises:
        TableError: the file is empty or no text, or its header is malformed.
    """
    lines = text_lines_of(source)
    separator = _find_separator(source, lines)
    header, is_quoted = _read_header(lines, separator)
    if source.range is not None:
        lines.number = source.range.lines_before
    names = distinct_names(header)
    rows = read_cells(lines, separator, len(names), quoted_header=is_quoted)
    records = _name_cells(lines, rows, header, names, can_quote=separator != "\t" or is_quoted)
    return Table(source.path, source.format, names, records, header=tuple(header), separator=separator)


@dataclass(frozen=True, slots=True)
class RowStart:
    """Where a row of a csv starts, or where its last row ends."""

    offset: int  # in bytes
    lines_before: int


def find_row_starts(source: TableSource) -> Iterator[RowStart]:
    """Yield the start of the first row, behind the header, then the end of each row, blank lines left out.

    Rows are those of :func:`read_delimited`, whose quoted cells may hold line breaks: only reading finds their ends.
    In a tsv the file as a whole decides what its quotes are, so that no part of it can be read alone.

    Raises:
        TableError: as :func:`read_delimited`.
    """
    lines = text_lines_of(source)
    separator = _find_separator(source, lines)
    header, is_quoted = _read_header(lines, separator)
    yield RowStart(lines.bytes_read, lines.number)
    for row in read_cells(lines, separator, len(header), quoted_header=is_quoted):
        if row.cells or row.problem is not None:
            yield RowStart(lines.bytes_read, lines.number)


def _find_separator(source: TableSource, lines: TextLines) -> str:
    """Find the separator by the first line that is not blank; the next line is the header then."""
    default = separator = DEFAULT_SEPARATORS[source.format]
    for line in lines:
        if line.strip():
            if (named := find_excel_separator(line)) is not None:
                separator = named
            else:
                lines.put_back(line)
                separator = find_separator(line, default, source.columns)
            break
    if separator != default:
        _log.info("%s is separated by %s", source.path, SEPARATORS.get(separator, repr(separator)))
    return separator


def _read_header(lines: TextLines, separator: str) -> tuple[Sequence[str], bool]:
    """Read the names of the columns; also whether one of them is in quotes."""
    line = next(lines, "")
    is_quoted = any(cell.startswith('"') for cell in split_cells(line, separator))
    header: Sequence[str] = split_cells(line, separator)
    if is_quoted:
        lines.put_back(line)
        module = csv_module()
        try:
            header = next(module.reader(lines_of_a_row(lines, []), delimiter=separator, strict=True))
        except module.Error as error:
            cause = f"{describe_csv_error(error)}{describe_first_line([line])}"
            raise TableError(lines.path, f"malformed header: {cause}", line=1) from error
    if (problem := lines.take_problem()) is not None:
        raise problem
    if len(header) > _MOST_COLUMNS:
        message = f"the header names {len(header):,} columns, and at most {_MOST_COLUMNS:,} are read"
        raise TableError(lines.path, message, line=1)
    if not header:
        raise TableError(lines.path, "the file is empty; its first line must name the columns", line=1)
    return header, is_quoted


def _name_cells(
    lines: TextLines, rows: Iterable[RowCells], header: Sequence[str], names: Sequence[str], *, can_quote: bool
) -> Iterator[Row | BadRow]:
    blanks = 0  # blank lines just before this one: ignored at the end of the file, bad before another row
    for row in rows:
        problem = lines.take_problem()
        cells = row.cells
        if not cells and row.problem is None:
            if len(names) > 1:
                blanks += 1
                continue
            cells = [""]
        for blank in range(row.line - blanks, row.line):
            yield BadRow(TableError(lines.path, "the line is blank", line=blank))
        blanks = 0
        if row.problem is not None:
            yield BadRow(TableError(lines.path, row.problem, line=row.line), cells or None)
        elif problem is not None:
            yield BadRow(problem)
        elif len(cells) != len(names):
            message = _describe_width(cells, len(names), can_quote=can_quote)
            yield BadRow(TableError(lines.path, message, line=row.line), cells)
        elif len(names) > 1 and cells[-1] == header[-1] and repeats_header(cells, header):
            message = "the line repeats the header, as where several files were joined; delete it"
            yield BadRow(TableError(lines.path, message, line=row.line), cells)
        else:
            yield Row(row.line, dict(zip(names, cells, strict=True)))


def _describe_width(cells: Sequence[str], width: int, *, can_quote: bool) -> str:
    message = f"the row has {len(cells)} cells, the header has {width}"
    if len(cells) > width and not any(cells[width:]):
        return f"{message}; the cells beyond are empty: end the header with as many separators"
    if not can_quote:
        return f"{message}; a cell of a tsv holds no tab and no line break: save the file as csv or jsonl if one must"
    return f"{message}; quote cells that hold a delimiter"
