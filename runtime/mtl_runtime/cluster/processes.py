"""Which of a job's processes have ended, as far as can be known from this one."""

import os
import socket

__all__ = ["is_gone"]


def is_gone(host: str, pid: int) -> bool:
    """Whether a process has ended: of another host, and on Windows, that cannot be known."""
    if host != socket.gethostname() or os.name == "nt":  # os.kill(pid, 0) is Ctrl-C there
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:  # or it is another user's
        return isinstance(error, ProcessLookupError)
    return False
