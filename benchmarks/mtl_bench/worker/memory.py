"""Resident memory of this process in bytes, now and at its highest."""

import os
import sys
from pathlib import Path

__all__ = ["peak_bytes", "resident_bytes"]


def resident_bytes() -> int:
    """Resident memory now; on a system without /proc, the highest so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return peak_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """The highest resident memory so far."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return _peak_by_usage()
    # Not from getrusage: there a process begins with its parent's peak.
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _peak_by_usage() -> int:
    if sys.platform == "win32":
        raise OSError("memory can be measured on Linux and macOS only")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
