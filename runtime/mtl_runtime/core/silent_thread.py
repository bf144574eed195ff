"""Run work in a thread whose messages on stderr nobody sees: Rust prints a panic there before Python can catch it."""

import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from mtl_runtime.core.background import run_in_background

__all__ = ["run_silently"]

T = TypeVar("T")

_CLONE_FILES = 0x400  # linux/sched.h
_STDERR = 2


def run_silently(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, or raise what it raises; it must not open files.

    Linux gives the thread a table of file descriptors of its own, in which stderr is closed. Other threads, and the
    processes that they start, keep theirs. Where the system has no such tables, or forbids them as some containers do,
    messages appear.
    """
    with run_in_background(partial(_run_without_stderr, work)) as wait:
        return wait()


def _run_without_stderr(work: Callable[[], T]) -> T:
    if _has_own_descriptors():
        with contextlib.suppress(OSError):  # it was closed before
            os.close(_STDERR)
    return work()


def _has_own_descriptors() -> bool:
    """Give this thread descriptors of its own, if that is possible."""
    if sys.platform != "linux":
        return False
    import ctypes  # os.unshare exists from Python 3.12 on

    try:
        return bool(ctypes.CDLL(None).unshare(_CLONE_FILES) == 0)
    except (AttributeError, OSError):
        return False
