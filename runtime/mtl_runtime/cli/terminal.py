"""Print lines, tables, JSON and progress in any console's encoding, without the control characters of texts."""

import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mtl_runtime.cli.output.column_widths import fit_columns
from mtl_runtime.wording import elide

__all__ = [
    "PACKAGES",
    "RateEstimate",
    "binary_stdout",
    "duration",
    "escape_unencodable",
    "print_json",
    "print_line",
    "print_message",
    "print_table",
    "printable",
    "row_progress",
    "spinner",
]

PACKAGES = ("mtl_runtime", "mtl_export", "mtl_bench")  # whose log records are the project's own

# C0, DEL and C1 move the cursor or recolour; the bidirectional marks reorder what is read; a lone surrogate
# cannot be printed at all.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape_unencodable() -> None:
    """Let stdout and stderr print an escape in place of a character that their encoding lacks.

    Otherwise such a character ends the program, on Windows with an old code page for example.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(text: str, *, keep: str = "") -> str:
    r"""Replace characters that could steer a terminal by escapes such as ``\u001b``.

    Args:
        text: any text, such as a label or a cell of a file.
        keep: control characters to leave alone.
    """
    return _UNSAFE.sub(lambda m: m[0] if m[0] in keep else f"\\u{ord(m[0]):04x}", text)


def print_line(text: str, *, err: bool = False, keep: str = "") -> None:
    """Print ``text`` as a line to stdout, or with ``err`` to stderr, in the encoding of the stream.

    Not with ``click.echo``, which writes UTF-8 to a console that is ASCII.

    Args:
        text: any text.
        err: to stderr.
        keep: as in :func:`printable`.
    """
    stream = sys.stderr if err else sys.stdout
    stream.write(printable(text, keep=keep) + "\n")
    stream.flush()


def print_message(text: str) -> None:
    """Print a message to stderr, on one line and with at most 500 characters."""
    print_line(elide(printable(" ".join(text.splitlines()))), err=True)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, optional: Sequence[str] = ()
) -> None:
    """Print a table with a title to stdout; everything in it is plain text, never markup.

    On a terminal that is too narrow, cells wrap at spaces, and the ``optional`` columns are left out, the first one
    first, until no header and no short word has to be broken; a line says which ones.
    """
    # A file or a pipe has no width; there each row is one line.
    console = Console(width=None if sys.stdout.isatty() else 240)

    def plain(text: str, *, keep: str = "", style: str = "") -> Text:
        # What the console lacks is escaped before the columns are measured.
        known = printable(text, keep=keep).encode(console.encoding, "backslashreplace").decode(console.encoding)
        return Text(known, style=style)

    grid = [[plain(column) for column in columns], *([plain(str(cell), keep="\n") for cell in row] for row in rows)]
    shown, widths = fit_columns([[cell.plain for cell in row] for row in grid], console.width, optional=optional)
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column, width in zip(shown, widths, strict=True):
        table.add_column(grid[0][column], overflow="fold", width=width)
    for row in grid[1:]:
        table.add_row(*(row[column] for column in shown))
    console.print(plain(title, style="bold"), soft_wrap=True)
    console.print(table)
    left_out = [name for number, name in enumerate(columns) if number not in shown]
    if left_out:
        console.print(plain(f"left out, for the terminal is too narrow: {', '.join(left_out)}", style="dim"))


def print_json(data: object) -> None:
    """Print ``data`` to stdout as JSON, in ASCII where stdout is not UTF-8: JSON is always UTF-8."""
    text = json.dumps(data, indent=2, ensure_ascii=not _is_unicode(sys.stdout.encoding))
    sys.stdout.write(printable(text, keep="\n") + "\n")


def _is_unicode(encoding: str | None) -> bool:
    return (encoding or "utf-8").lower().startswith("utf")


def binary_stdout() -> BinaryIO:
    """Return stdout for a table's bytes, which are UTF-8; a terminal shows them in its encoding, without controls."""
    if sys.stdout.isatty():
        return cast(BinaryIO, _EscapingStream(sys.stdout.buffer, sys.stdout.encoding))
    return sys.stdout.buffer


@dataclass(frozen=True, slots=True)
class _EscapingStream:
    """Writes lines to a terminal with control characters, and those that it lacks, as escapes."""

    stream: BinaryIO
    encoding: str

    def write(self, line: bytes) -> int:
        text = printable(line.decode("utf-8", "replace"), keep="\n\t")
        self.stream.write(text.encode(self.encoding, "backslashreplace"))
        return len(line)


def spinner(console: Console) -> SpinnerColumn:
    """A column that turns, in characters that the console has."""
    return SpinnerColumn("dots" if _is_unicode(console.encoding) else "line")


@contextmanager
def row_progress(what: str) -> Iterator[Callable[[int, float | None], None]]:
    """Show a line with rows, rows/s and time left on stderr, if that is a terminal.

    Yields:
        A function that updates the line: it takes the rows done and their share of the input (None: unknown).
    """
    if not sys.stderr.isatty():
        yield lambda _rows, _share: None
        return
    console = Console(stderr=True)
    columns = (spinner(console), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None)
        rate = RateEstimate(time.monotonic)
        yield lambda rows, share: progress.update(task, description=f"{what} {rate.line(rows, share)}")


class RateEstimate:
    """Rows done -> a line with rows/s and time left, measured since the first call: earlier work does not count.

    Args:
        clock: returns seconds, such as ``time.monotonic``.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: tuple[int, float] | None = None  # rows, and when

    def line(self, rows: int, share: float | None) -> str:
        """Write the line for ``rows`` done, which are ``share`` of the input (None: unknown)."""
        now = self._clock()
        first, start = self._first = self._first or (rows, now)
        if rows == first or now == start:
            return f"{rows:,} rows"
        speed = (rows - first) / (now - start)
        left = f", {duration(rows * (1 / share - 1) / speed)} left" if share else ""
        return f"{rows:,} rows, {speed:,.0f} rows/s{left}"


def duration(seconds: float) -> str:
    """Format hours, minutes and seconds as 0:02:07."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
