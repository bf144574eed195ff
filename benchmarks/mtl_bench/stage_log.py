"""Log records of this package -> lines of progress.

A module logs each stage at level INFO and details at DEBUG. The command that draws progress listens to the log, so no
module hands a callback down to the next one.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator

__all__ = ["draw_logged_stages"]

_PACKAGE = "mtl_bench"


@contextlib.contextmanager
def draw_logged_stages(draw: Callable[[str], None]) -> Iterator[None]:
    """Within the block, hand every stage that this package logs to ``draw``.

    The stages reach the log's own handlers too where its level is INFO or below, as after ``mtl -v``.
    """
    logger = logging.getLogger(_PACKAGE)
    level, own_level, propagate = logger.getEffectiveLevel(), logger.level, logger.propagate
    handlers = (_StageHandler(draw), _ForwardingHandler(level, logger.parent))
    for handler in handlers:
        logger.addHandler(handler)
    # Handlers of the root logger would print the stages whatever its level is: only what they printed before goes on.
    logger.propagate = False
    logger.setLevel(min(level, logging.INFO))
    try:
        yield
    finally:
        logger.setLevel(own_level)
        logger.propagate = propagate
        for handler in handlers:
            logger.removeHandler(handler)


class _StageHandler(logging.Handler):
    """Draws records of level INFO."""

    def __init__(self, draw: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._draw = draw

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO:
            self._draw(record.getMessage())


class _ForwardingHandler(logging.Handler):
    """Hands records on to the logger above."""

    def __init__(self, level: int, parent: logging.Logger | None) -> None:
        super().__init__(level)
        self._parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        if self._parent is not None:
            self._parent.handle(record)
