"""before and after a run -> Conditions: load, stolen time, throttling; and why the run may prove nothing."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mtl_bench.schema import Conditions, Values
from mtl_bench.summary import pooled

__all__ = ["Watch", "run_doubts"]

_STAT = Path("/proc/stat")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
# cgroup v2's file, then v1's: name, key, units in a second.
_THROTTLED = (
    (Path("/sys/fs/cgroup/cpu.stat"), "throttled_usec", 1e6),
    (Path("/sys/fs/cgroup/cpu/cpu.stat"), "throttled_time", 1e9),
)
_MOST_STEAL = 0.02
_MOST_LOAD = 0.5  # runnable processes for each core
_MOST_SPREAD = 1.10  # of the reference: its 90th percentile, times its 10th


@dataclass(frozen=True, slots=True)
class Watch:
    """What was counted when the run began."""

    started_at: str
    start: float
    load: float
    ticks: tuple[int, int] | None  # stolen, all
    throttled: float | None

    @classmethod
    def begin(cls) -> "Watch":
        """Count now."""
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(moment, time.monotonic(), os.getloadavg()[0], _ticks(), _throttled())

    def end(self) -> Conditions:
        """Count again."""
        throttled, ticks = _throttled(), _ticks()
        held_back = throttled - self.throttled if throttled is not None and self.throttled is not None else None
        return Conditions(
            started_at=self.started_at,
            seconds=time.monotonic() - self.start,
            load_before=self.load,
            steal=_share(self.ticks, ticks),
            throttled=held_back,
            governor=_read(_GOVERNOR).strip() or None,
        )


def run_doubts(conditions: Conditions, reference: Values, *, cores: int) -> tuple[str, ...]:
    """Why a whole run may not be trusted; empty where nothing speaks against it."""
    return tuple(_doubts(conditions, pooled(reference), cores))


def _doubts(found: Conditions, reference: list[float], cores: int) -> Iterator[str]:
    if found.load_before > _MOST_LOAD * cores:
        yield f"other work: {found.load_before:.1f} processes were runnable in the minute before, on {cores} cores"
    if found.steal is not None and found.steal > _MOST_STEAL:
        yield f"stolen time: the hypervisor gave {100 * found.steal:.1f} % of the cores' time to others"
    if found.throttled:
        yield f"throttled: the container's CPU quota held it back for {found.throttled:.1f} s"
    if found.governor not in (None, "performance"):
        yield f"frequency: the governor is {found.governor}; set it to performance"
    if len(reference) > 1:
        low, high = np.percentile(reference, (10, 90))
        if high > _MOST_SPREAD * low:
            yield (
                f"unsteady machine: the same reference product took {1000 * low:.1f} to {1000 * high:.1f} ms "
                f"(10th to 90th percentile of {len(reference)})"
            )


def _ticks() -> tuple[int, int] | None:
    """Ticks of all cores: stolen, and in all."""
    fields = _read(_STAT).partition("\n")[0].split()[1:9]
    if len(fields) < 8:
        return None
    counts = [int(field) for field in fields]
    return counts[7], sum(counts)


def _share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    if before is None or after is None or after[1] == before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def _throttled() -> float | None:
    for file, key, unit in _THROTTLED:
        for line in _read(file).splitlines():
            name, _, value = line.partition(" ")
            if name == key:
                return int(value) / unit
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""
