"""A child that kills itself before its n-th step, for scripts that try every step of a job.

A step is whatever the kernel is asked to change: a file opened for writing, renamed, linked, cut, removed, a folder
made or removed.
"""

import os
import signal
import sys
import traceback
from pathlib import Path

STEPS = {"os.rename", "os.link", "os.truncate", "os.remove", "os.mkdir", "os.rmdir"}


def run_in_child(work, *, within, kill_before=None):
    """Call ``work`` in a forked child; how it ended, and how many steps it made in the folder ``within``."""
    counter, count = os.pipe()
    child = os.fork()
    if child:
        os.close(count)
        with os.fdopen(counter, "rb") as stream:
            steps = len(stream.read())
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), steps

    made = 0

    def hook(event, args):
        nonlocal made
        written = event == "open" and isinstance(args[0], str | Path) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if (written or event in STEPS) and str(within) in str(args[0]):
            made += 1
            if made == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(count, b".")

    try:
        sys.addaudithook(hook)
        work()
        os._exit(0)
    finally:  # whatever happens, the child must not go on as its parent
        traceback.print_exc()
        os._exit(1)
