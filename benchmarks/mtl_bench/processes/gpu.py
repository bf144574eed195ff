"""nvidia-smi -> memory that processes hold on NVIDIA GPUs, and the clock of the first; nothing without one."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence

__all__ = ["gpu_clock", "memory_by_process"]

_MEBIBYTE = 2**20
_SECONDS = 10.0  # a driver that hangs must not stop the run


def memory_by_process() -> Mapping[int, int]:
    """Bytes by process id. In a container whose processes have other ids outside, the ids are those outside."""
    rows = _query("--query-compute-apps=pid,used_gpu_memory")
    return {
        int(row[0]): int(row[1]) * _MEBIBYTE for row in rows if len(row) == 2 and row[0].isdigit() and row[1].isdigit()
    }


def gpu_clock() -> str | None:
    """Clock of the first GPU's multiprocessors, the highest it has, and what slows it; None: not reported."""
    rows = _query("--query-gpu=clocks.sm,clocks.max.sm,clocks_event_reasons.active")
    if not rows or len(rows[0]) != 3:
        return None
    now, highest, reasons = rows[0]
    return f"{now} of {highest} MHz, event reasons {reasons}"


def _query(question: str) -> Sequence[Sequence[str]]:
    """Cells of nvidia-smi's output; empty where it is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        process = subprocess.run(
            [program, question, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [[cell.strip() for cell in line.split(",")] for line in process.stdout.splitlines() if line.strip()]
