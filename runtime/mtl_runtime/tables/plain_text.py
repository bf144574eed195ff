"""txt file -> Table with the column ``text``: a row for each line, blank ones too."""

from collections.abc import Iterator

from mtl_runtime.tables.table import BadRow, Row, Table, TableSource
from mtl_runtime.tables.text_lines import TextLines
from mtl_runtime.tables.text_ranges import text_lines_of

__all__ = ["read_txt"]


def read_txt(source: TableSource) -> Table:
    """Read the lines as they are asked for.

    Raises:
        TableError: the file is no text.
    """
    lines = text_lines_of(source)
    return Table(source.path, source.format, ("text",), _iter_rows(lines))


def _iter_rows(lines: TextLines) -> Iterator[Row | BadRow]:
    for text in lines:
        problem = lines.take_problem()
        yield Row(lines.number, {"text": text.rstrip("\r\n")}) if problem is None else BadRow(problem)
