"""Reset objects in a forked process before they are used there.

Only the thread that calls fork() lives on in the child: there, thread pools wait forever, locks stay locked, and
onnxruntime's sessions are no exception.
"""

import os
import weakref
from typing import Protocol

__all__ = ["ForkAware", "is_forked_child", "reset_after_fork"]


class ForkAware(Protocol):
    """An object that can reset itself in a forked process."""

    def after_fork(self) -> None:
        """Called once in the child, in its only thread."""


class _Process:
    """What this module knows about the running process."""

    has_hook = False
    is_forked_child = False


_alive: "weakref.WeakSet[ForkAware]" = weakref.WeakSet()


def reset_after_fork(resource: ForkAware) -> None:
    """Call ``resource.after_fork()`` in each child that is forked from now on, as long as ``resource`` is alive."""
    if not _Process.has_hook and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_reset_all)
        _Process.has_hook = True
    _alive.add(resource)


def is_forked_child() -> bool:
    """Whether this process was forked after :func:`reset_after_fork` was first called."""
    return _Process.is_forked_child


def _reset_all() -> None:
    _Process.is_forked_child = True
    for resource in list(_alive):
        resource.after_fork()
