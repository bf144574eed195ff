"""A lock file that one process holds, and that the kernel releases however that process ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtl_runtime.errors import MtlError

__all__ = ["exclusive_lock"]


@contextmanager
def exclusive_lock(path: Path, *, what: str) -> Iterator[None]:
    """Hold the lock file ``path`` during the block; fail at once if it is held already.

    Raises:
        MtlError: another process holds it, and so is writing ``what``.
    """
    from filelock import FileLock, Timeout  # takes 40 ms, and only a job that writes a file needs it

    busy = MtlError(f"another process is writing {what}; wait until it ends, or name another output")
    # As long as this is open, no other file can get its inode number.
    with path.open("ab") as file:
        try:
            lock = FileLock(path).acquire(blocking=False)
        except Timeout:
            raise busy from None
        with lock:
            # The process that held it may have removed it after it was opened here: then it protects nothing.
            if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                raise busy
            yield
