"""path -> a lock that one process holds, and that the kernel releases however the process ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtl_runtime.errors import MtlError

if sys.platform != "win32":  # which has no such locks
    import fcntl

__all__ = ["exclusive_lock"]


@contextmanager
def exclusive_lock(path: Path, *, what: str) -> Iterator[None]:
    """Hold the lock file ``path`` during the block; on Windows, just run it.

    Raises:
        MtlError: another process holds it, and so works at ``what``.
    """
    if sys.platform == "win32":
        yield
        return
    busy = MtlError(f"another process is writing {what}; wait for its end, or name another output")
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        # Between opening and locking, its holder may have removed it.
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            raise busy
        yield
