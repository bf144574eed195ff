"""A session that also works in forked processes, each of which opens its own."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mtl_runtime.core.fork_hooks import reset_after_fork
from mtl_runtime.providers.session import Session

if TYPE_CHECKING:  # loading/load.py imports this module before numpy
    import numpy as np
    from numpy.typing import NDArray

    from mtl_runtime.text.batch import Batch

__all__ = ["ForkSafeSession"]

_log = logging.getLogger(__name__)


class ForkSafeSession:
    """An open session; a forked process opens its own when it first runs a batch.

    Args:
        session: of this process.
        reopen: opens the same session in a forked process.
    """

    def __init__(self, session: Session, reopen: Callable[[], Session]) -> None:
        self._session: Session | None = session
        self._reopen = reopen
        self._lock = threading.Lock()
        reset_after_fork(self)

    def __call__(self, batch: "Batch", outputs: Sequence[str]) -> "list[NDArray[np.float32]]":
        """Run one batch, as :meth:`mtl_runtime.providers.session.Session.run`."""
        return (self._session or self._open_in_child()).run(batch, outputs)

    def after_fork(self) -> None:
        """Drop the parent's session, whose threads do not exist here: it can neither run nor be closed.

        See onnxruntime's pull request 31961. Its clean-up at the process's exit has the same trouble, even if it was
        only imported before the fork; a child that ends with os._exit, as multiprocessing's do, skips it.
        """
        if self._session is not None:
            self._session.abandon()
        self._session, self._lock = None, threading.Lock()

    def _open_in_child(self) -> Session:
        with self._lock:
            if self._session is None:
                _log.debug("this process was forked, so it opens the session again")
                self._session = self._reopen()
            return self._session
