"""how to open a session -> what runs batches on it, in this process and in those forked off from it."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mtl_runtime.core.fork_hooks import reset_after_fork
from mtl_runtime.providers.session import Session

if TYPE_CHECKING:  # loading.py imports this before numpy
    import numpy as np
    from numpy.typing import NDArray

    from mtl_runtime.text.batch import Batch

__all__ = ["ForkSafeSession"]


class ForkSafeSession:
    """An open session; a forked process opens one of its own when it first runs a batch."""

    def __init__(self, opened: Session, reopen: Callable[[], Session]) -> None:
        self._session: Session | None = opened
        self._reopen = reopen
        self._lock = threading.Lock()
        reset_after_fork(self)

    def __call__(self, batch: "Batch", outputs: Sequence[str]) -> "list[NDArray[np.float32]]":
        """Run one batch, as :meth:`mtl_runtime.providers.session.Session.run`."""
        return (self._session or self._opened()).run(batch, outputs)

    def after_fork(self) -> None:
        """The parent's session has threads that are not here: it can neither run nor be closed.

        See onnxruntime's pull request 31961. Its clean-up at the process's exit has the same trouble, even where it
        was only imported before the fork; a child that ends with os._exit, as multiprocessing's do, skips it.
        """
        if self._session is not None:
            self._session.abandon()
        self._session, self._lock = None, threading.Lock()

    def _opened(self) -> Session:
        with self._lock:
            self._session = self._session or self._reopen()
            return self._session
