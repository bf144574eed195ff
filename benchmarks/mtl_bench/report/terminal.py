"""Report -> the output of a terminal: verdict, the table in as many parts as its width requires, and warnings."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from mtl_bench.analysis.conclusions import conclusions
from mtl_bench.report.text_table import text_table
from mtl_bench.results.schema import Report
from mtl_runtime.cli.terminal import print_line, print_table, printable

__all__ = ["print_report", "split_columns"]

_PADDING = 3  # what print_table puts between two columns
_TITLE_SHARE = 3  # of the width, at most one in so many is for the titles
_NO_TERMINAL = 240  # a row is one line there, unless COLUMNS is set


def print_report(report: Report, *, width: int | None = None) -> None:
    """Print a run.

    Args:
        report: the run.
        width: columns of the terminal; None: its own.
    """
    table = text_table(report)
    columns = width or shutil.get_terminal_size((_NO_TERMINAL, 0)).columns
    rows = [(_fold(title, columns // _TITLE_SHARE), *cells) for title, *cells in table.rows.values()]
    workload = report.workload
    for line in textwrap.wrap(printable(" ".join(conclusions(report))), columns):
        print_line(line)
    titles = iter([f"{report.bundle}, {workload.texts:,} texts ({workload.name}) on {report.machine.name}"])
    for part in split_columns(table.header, rows, columns):
        print_table(next(titles, ""), [table.header[i] for i in part], [[row[i] for i in part] for row in rows])
    for remark in table.remarks:
        print_line(f"- {remark}")


def split_columns(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[list[int]]:
    """Numbers of the columns that fit next to each other into ``width``; the first, the row's name, is in each part.

    A column that is too wide is a part by itself, and folded where it is printed.
    """
    widths = [_width([line[column] for line in (header, *rows)]) + _PADDING for column in range(len(header))]
    part = [0]
    for column in range(1, len(header)):
        if len(part) > 1 and sum(widths[i] for i in part) + widths[column] > width:
            yield part
            part = [0]
        part.append(column)
    yield part


def _width(cells: Sequence[str]) -> int:
    return max(cell_len(line) for cell in cells for line in cell.split("\n"))


def _fold(title: str, width: int) -> str:
    return "\n".join(textwrap.wrap(title, width))
