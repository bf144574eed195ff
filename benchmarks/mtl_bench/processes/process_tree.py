"""process id -> the processes that it started, and the memory of one (Linux)."""

import contextlib
import os
from pathlib import Path

__all__ = ["find_children", "resident_bytes"]


def find_children(pid: int) -> list[int]:
    """Children of all threads, and theirs; none where the process has ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children = map(int, (thread / "children").read_text("ascii").split())
            found += [one for child in children for one in (child, *find_children(child))]
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory; 0 where the process has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
