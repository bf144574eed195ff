"""Log records -> lines on stderr, as many as ``mtl -v`` asks for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mtl_runtime.cli.terminal import PACKAGES, print_line

__all__ = ["log_to_stderr", "set_log_format", "show_records"]


class _LogHandler(logging.Handler):
    """Writes records to stderr, without control characters of the texts and paths in them."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print_line(self.format(record), err=True, keep="\n\t")
        except Exception:  # noqa: BLE001 - as every handler of logging: a broken record must not end the command
            self.handleError(record)


def _log_handler(verbosity: int) -> _LogHandler:
    """Make a handler that shows warnings; at 1 also what the project's packages do, from 2 on everything."""
    handler = _LogHandler((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)])
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    if verbosity == 1:
        handler.addFilter(lambda record: record.levelno > logging.INFO or record.name.partition(".")[0] in PACKAGES)
    return handler


@contextmanager
def log_to_stderr(verbosity: int) -> Iterator[None]:
    """Write the log to stderr until the command ends."""
    root, handler = logging.getLogger(), _log_handler(verbosity)
    levels = {root: logging.DEBUG if verbosity > 1 else logging.WARNING}
    if verbosity == 1:
        levels |= {logging.getLogger(package): logging.INFO for package in PACKAGES}
    before = {logger: logger.level for logger in levels}
    root.addHandler(handler)
    for logger, level in levels.items():
        logger.setLevel(level)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)


def set_log_format(formatter: logging.Formatter) -> None:
    """Write what :func:`log_to_stderr` shows in another form."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _LogHandler):
            handler.setFormatter(formatter)


def show_records(logger: str) -> None:
    """Show the records of one logger from INFO on, whatever is shown of others."""
    logging.getLogger(logger).setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _LogHandler):
            handler.setLevel(min(handler.level, logging.INFO))
