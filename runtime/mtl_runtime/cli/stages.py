"""INFO records of this project -> the stage at work on stderr: a bar on a terminal, elsewhere a line each."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mtl_runtime.cli.terminal import PACKAGES, print_line, printable, spinner
from mtl_runtime.core.clock import spoken_duration
from mtl_runtime.core.work import PLANNED, STAGE, StageClock, StepThrottle

__all__ = ["ShowLine", "WorkEstimate", "stages"]

ShowLine = Callable[[str], None]

# An estimate from less would mostly say how long it takes to import and open things.
_LEAST_SECONDS = 5.0
# Of many like steps, a list of lines shows one when nothing was said for so long.
_SECONDS_BETWEEN_STEPS = 15.0


class WorkEstimate:
    """Work planned and done -> the time left, if the rest takes as long as what is done.

    Args:
        clock: returns seconds, such as ``time.monotonic``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.planned = self.done = 0.0
        self._current = 0.0  # work of the stage that is under way
        self._start: float | None = None  # of the first stage with work
        self._begin = 0.0  # of the stage that is under way

    def note(self, record: logging.LogRecord) -> None:
        """Take the work that a record announces; the stage before it is done."""
        self.planned += getattr(record, PLANNED, 0.0)
        units = getattr(record, STAGE, None)
        if units is not None:
            self._begin = self._clock()
            self._start = self._begin if self._start is None else self._start
            self.done, self._current = self.done + self._current, units

    @property
    def seconds_left(self) -> float | None:
        """None before the first stages have taken a few seconds, and without a plan.

        Within a stage it counts down, as far as the stages after it allow.
        """
        taken = 0.0 if self._start is None else self._begin - self._start
        if not self.done or taken < _LEAST_SECONDS or self.planned <= self.done:
            return None
        speed = taken / self.done
        since = self._clock() - self._begin
        rest = self.planned - self.done
        return speed * rest - min(since, speed * min(self._current, rest))


@contextmanager
def stages(
    annotate: Callable[[ShowLine], ShowLine] = lambda show: show, *, packages: Sequence[str] = PACKAGES
) -> Iterator[StageClock]:
    """Show the INFO log records of these packages as the stage at work, on stderr, until the block ends.

    Where the records carry work (:mod:`mtl_runtime.core.work`), the time left is shown too. On a terminal that is one
    line with a bar, elsewhere one line each. If the log shows INFO already, as with ``mtl -v``, nothing is added. The
    clock that it yields says afterwards how long each stage took.

    Args:
        annotate: what shows a line -> what shows it with more to it, such as the time left.
        packages: whose records are stages; default: all of the project.
    """
    loggers = [logging.getLogger(package) for package in packages]
    clock = StageClock()
    with ExitStack() as stack:
        handlers: list[logging.Handler] = [clock]
        if not all(logger.isEnabledFor(logging.INFO) for logger in loggers):
            display = stack.enter_context(_bar()) if sys.stderr.isatty() else _Lines()
            handlers.append(_StageHandler(annotate, display))
        for logger in loggers:
            for handler in handlers:
                stack.enter_context(_handle_info_records(logger, handler))
        yield clock


class _Display(Protocol):
    seconds_between_steps: float

    def show(self, line: str, work: WorkEstimate) -> None:
        """Show the stage that begins, and how far the run is."""


class _Lines:
    """One line on stderr for each stage."""

    seconds_between_steps = _SECONDS_BETWEEN_STEPS

    def show(self, line: str, work: WorkEstimate) -> None:
        left = work.seconds_left
        rest = "" if left is None else f" (about {spoken_duration(left)} left)"
        print_line(line + rest, err=True)


class _Bar:
    """One line on the terminal: spinner, bar, time and the stage at work."""

    seconds_between_steps = 0.0

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("loading", total=None, left="")

    def show(self, line: str, work: WorkEstimate) -> None:
        left = work.seconds_left
        self._progress.update(
            self._task,
            description=line,
            total=work.planned or None,
            completed=min(work.done, work.planned),
            left="" if left is None else f"about {spoken_duration(left)} left",
        )


@contextmanager
def _bar() -> Iterator[_Bar]:
    console = Console(stderr=True)
    columns = (
        spinner(console),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress)


class _StageHandler(logging.Handler):
    """Shows the messages of INFO records; warnings and errors have handlers of their own."""

    def __init__(self, annotate: Callable[[ShowLine], ShowLine], display: _Display) -> None:
        super().__init__(logging.INFO)
        self._work = WorkEstimate()
        self._throttle = StepThrottle(display.seconds_between_steps)
        self._show = annotate(lambda line: display.show(line, self._work))

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO:
            try:
                self._work.note(record)
                if self._throttle.lets_through(record):
                    self._show(printable(record.getMessage()))
            except Exception:  # noqa: BLE001 - as every handler of logging: a broken message must not end the command
                self.handleError(record)


@contextmanager
def _handle_info_records(logger: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    """Send the INFO records of ``logger`` to ``handler`` as well."""
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
