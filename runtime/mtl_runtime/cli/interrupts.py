"""Ctrl-C -> exit code 130, without a traceback, whenever it comes.

While a command runs, Ctrl-C raises KeyboardInterrupt, so that what was begun is ended well. Before that, while modules
are imported and options are read, and after it, while the interpreter shuts down, there is nothing to end: the process
exits at once. Where SIGINT is ignored, as in a job that a shell put into the background, it stays ignored.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import NoReturn

from mtl_runtime.cli.start import exit_interrupted

__all__ = ["UnwindAtInterrupt", "exit_at_interrupt"]

_MOMENT = 0.01  # seconds


@contextmanager
def exit_at_interrupt() -> Iterator[None]:
    """Let Ctrl-C end the process at once; behind the block it does what it did before."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, exit_interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class UnwindAtInterrupt:
    """A block in which Ctrl-C raises KeyboardInterrupt, which leaves it as such whatever a library made of it.

    An interrupted import, for example, comes out of numpy's C code as an ImportError.
    """

    def __init__(self) -> None:
        self._has_come = False
        is_main = threading.current_thread() is threading.main_thread()
        self._active = is_main and signal.getsignal(signal.SIGINT) is exit_interrupted
        self._hook = sys.unraisablehook

    def __enter__(self) -> None:
        if self._active:
            sys.unraisablehook = self._raise_later
            signal.signal(signal.SIGINT, self._raise)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._active:
            return
        signal.signal(signal.SIGINT, exit_interrupted)
        sys.unraisablehook = self._hook
        if self._has_come and isinstance(error, Exception):
            interrupt = KeyboardInterrupt()
            for note in getattr(error, "__notes__", ()):
                interrupt.add_note(note)
            raise interrupt from error

    def _raise(self, _number: int, _frame: FrameType | None) -> NoReturn:
        self._has_come = True
        raise KeyboardInterrupt

    def _raise_later(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Raise it again after a destructor or a callback, where Python can only print it."""
        if unraisable.exc_type is KeyboardInterrupt:
            # In a moment: what is raised in here would only be printed as well.
            again = threading.Timer(_MOMENT, signal.raise_signal, (signal.SIGINT,))
            again.daemon = True
            again.start()
        else:
            self._hook(unraisable)
