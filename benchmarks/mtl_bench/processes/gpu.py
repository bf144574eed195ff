"""nvidia-smi -> memory that processes hold on NVIDIA GPUs, and the clock of the first; nothing where there is none."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence

__all__ = ["clock", "memory_by_process"]

_MEBIBYTE = 2**20
_SECONDS = 10.0  # a driver that hangs must not stop the run


def memory_by_process() -> Mapping[int, int]:
    """Bytes by process id. In a container whose processes have other ids outside, those outside."""
    rows = _query("--query-compute-apps=pid,used_gpu_memory")
    return {
        int(row[0]): int(row[1]) * _MEBIBYTE for row in rows if len(row) == 2 and row[0].isdigit() and row[1].isdigit()
    }


def clock() -> str | None:
    """Clock of the first GPU's multiprocessors against the highest it has, and what slows it; None: not told."""
    rows = _query("--query-gpu=clocks.sm,clocks.max.sm,clocks_event_reasons.active")
    if not rows or len(rows[0]) != 3:
        return None
    now, most, reasons = rows[0]
    return f"{now} of {most} MHz, event reasons {reasons}"


def _query(question: str) -> Sequence[Sequence[str]]:
    """Cells of nvidia-smi's answer; empty where it is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, question, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines() if line.strip()]
