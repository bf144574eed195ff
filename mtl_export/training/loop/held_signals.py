"""Ctrl-C or SIGTERM in the middle of a run -> a resume point after the step at work, and only then the signal."""

import logging
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["HeldSignals"]

_log = logging.getLogger(__name__)

_HELD = (signal.SIGINT, signal.SIGTERM)


class HeldSignals:
    """Holds a signal that would stop the run back, until :meth:`deliver`; a second one stops it at once.

    As a context manager it replaces the handlers. It leaves a signal that is ignored alone, and does nothing outside
    of the main thread or where several processes train: they receive signals at different steps.
    """

    def __init__(self, *, processes: int = 1) -> None:
        self._enabled = processes == 1 and threading.current_thread() is threading.main_thread()
        self._before: dict[signal.Signals, Any] = {}
        self._held: signal.Signals | None = None

    @property
    def is_holding(self) -> bool:
        """Whether a signal has come."""
        return self._held is not None

    def __enter__(self) -> Self:
        for number in _HELD if self._enabled else ():
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):  # None: of another language
                self._before[number] = handler
                signal.signal(number, self._hold)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()
        if error is None:
            self.deliver()

    def deliver(self) -> None:
        """Let a signal that has come do what it does without this object: raise KeyboardInterrupt, for example."""
        if self._held is not None:
            number, self._held = self._held, None
            signal.raise_signal(number)

    def _hold(self, number: int, _frame: FrameType | None) -> None:
        self._restore()
        self._held = signal.Signals(number)
        # Not logged here: a handler may run in the middle of a print.

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
