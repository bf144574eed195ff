"""a process that was forked off -> what held threads in its parent is told so, before it is used there.

Only the thread that calls fork() lives on in the child. Pools without threads wait for ever, locks stay taken,
and onnxruntime's sessions are no exception.
"""

import os
import weakref
from typing import Protocol

__all__ = ["ForkAware", "forked", "reset_after_fork"]


class ForkAware(Protocol):
    """Something that can put itself right in a forked process."""

    def after_fork(self) -> None:
        """Called once in the child, in its only thread."""


_alive: "weakref.WeakSet[ForkAware]" = weakref.WeakSet()
_hooked: list[bool] = []
_forked: list[bool] = []


def reset_after_fork(one: ForkAware) -> None:
    """From now on ``one.after_fork()`` is called in each forked child, as long as ``one`` is alive."""
    if not _hooked and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_reset_all)
        _hooked.append(True)
    _alive.add(one)


def forked() -> bool:
    """Whether this process was forked off after something here asked to be told."""
    return bool(_forked)


def _reset_all() -> None:
    _forked.append(True)
    for one in list(_alive):
        one.after_fork()
