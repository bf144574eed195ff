"""Processes that another process started, itself or through others."""

from contextlib import suppress
from typing import NamedTuple

import psutil


class Descendant(NamedTuple):
    """A process that lived when it was looked up."""

    process: psutil.Process
    parent: int
    command: str


def find_descendants(pid):
    """Those that live; what ends while they are looked up is left out, also where nobody has waited for it yet."""
    found = []
    with suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                found.append(Descendant(process, process.ppid(), " ".join(process.cmdline())))
    return found


def kill_process(process):
    """Kill it; whether there was anything left to kill."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True
