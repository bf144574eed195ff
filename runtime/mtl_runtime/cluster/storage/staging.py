"""Names of half-written files on disk, which say who writes them; and the removal of files whose writer is gone.

Processes of an array hold no lease: while one marks the job as complete, another may be about to do the same. So
nothing is removed that may still be moved to its place.
"""

import os
import shutil
import socket
import time
from pathlib import Path

from mtl_runtime.cluster.processes import is_gone

__all__ = ["remove_abandoned", "staging_prefix"]

_STAGING = ".mtl-"
_SECONDS_OF_SILENCE = 3600.0  # after which any writer is taken to have ended


def staging_prefix() -> str:
    """How names start of what this process is writing."""
    return f"{_STAGING}{socket.gethostname()}-{os.getpid()}-"


def remove_abandoned(folder: Path) -> None:
    """Remove what processes left half-written that have ended on this machine, or wrote nothing for an hour."""
    for path in folder.glob(f"{_STAGING}*"):
        if not _is_abandoned(path):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_abandoned(path: Path) -> bool:
    host, _, pid = path.name.removeprefix(_STAGING).rpartition("-")[0].rpartition("-")
    if pid.isdecimal() and is_gone(host, int(pid)):
        return True
    try:
        last = max(file.stat().st_mtime for file in (path, *path.glob("*")))
    except FileNotFoundError:  # its writer has moved it meanwhile
        return False
    return time.time() - last > _SECONDS_OF_SILENCE
