"""calls -> the seconds of each piece of a training step, none counted twice."""

import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["PieceClock"]


class PieceClock:
    """A clock that runs for one piece at a time: a piece within another one stops that one's time."""

    def __init__(self, rest: str) -> None:
        self._running = [rest]
        self._since = time.perf_counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def start(self, piece: str) -> None:
        """Let the time of ``piece`` run until the matching :meth:`stop`."""
        self._count()
        self._running.append(piece)

    def stop(self) -> None:
        """Let the time of the piece before run on."""
        self._count()
        self._running.pop()

    def timed(self, piece: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, whose calls count as ``piece``."""

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            self.start(piece)
            try:
                return function(*arguments, **named)
            finally:
                self.stop()

        return call

    def take(self) -> dict[str, float]:
        """Seconds by piece since the last call."""
        self._count()
        seconds = dict(self._seconds)
        self._seconds.clear()
        return seconds

    def _count(self) -> None:
        now = time.perf_counter()
        self._seconds[self._running[-1]] += now - self._since
        self._since = now
