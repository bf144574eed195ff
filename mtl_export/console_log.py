"""log records -> plain lines on a rich console, above a progress bar that is drawn there."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from mtl_runtime.cli.terminal import printable
from mtl_runtime.core.work import StepThrottle

__all__ = ["log_to_console", "shows_info"]

_LOGGERS = ("mtl_export", "mtl_runtime")
_SECONDS_BETWEEN_STEPS = 10.0


def shows_info() -> bool:
    """Whether INFO records are shown already, as ``mtl -v`` does."""
    return all(logging.getLogger(name).isEnabledFor(logging.INFO) for name in _LOGGERS)


@contextmanager
def log_to_console(console: Console) -> Iterator[Console | None]:
    """Print INFO records as plain lines through ``console``, and graver ones with level and module.

    Yields the console where a progress bar may be drawn, else None. Where INFO records are shown already nothing
    changes, and their lines, which go to stderr past the console, would break a bar.

    Handlers of the root logger do not receive these records: they write to stderr past the console, and would print
    each line again, through the progress bar.
    """
    if shows_info():
        yield None
        return
    handler = _ConsoleHandler(console)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    settings = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield console if sys.stderr.isatty() else None
    finally:
        for logger, level, propagate in settings:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


class _ConsoleHandler(logging.Handler):
    """Prints records; of many like steps one now and then."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._throttle = StepThrottle(_SECONDS_BETWEEN_STEPS)

    def emit(self, record: logging.LogRecord) -> None:
        if not self._throttle.lets_through(record):
            return
        line = self.format(record)
        if record.levelno > logging.INFO:
            line = f"{record.levelname} {record.name}: {line}"
        # soft_wrap: a line is not broken at the width of the console, so that it can be searched and copied.
        self._console.print(Text(printable(line, keep="\n")), soft_wrap=True)
