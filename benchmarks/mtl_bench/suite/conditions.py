"""before and after a run -> Conditions: load, stolen time, throttling; and why the run may prove nothing."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mtl_bench.analysis.summary import pooled
from mtl_bench.results.schema import Conditions, Values

__all__ = ["Watch", "condition_warnings"]

_STAT = Path("/proc/stat")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
# cgroup v2's file, then v1's: name, key, units in a second.
_THROTTLED = (
    (Path("/sys/fs/cgroup/cpu.stat"), "throttled_usec", 1e6),
    (Path("/sys/fs/cgroup/cpu/cpu.stat"), "throttled_time", 1e9),
)
_MOST_STEAL = 0.02
_MOST_OTHERS = 0.03  # of the cores' time
_MOST_LOAD = 0.5  # runnable processes for each core
_MOST_SPREAD = 1.10  # of the reference: its 90th percentile, times its 10th


@dataclass(frozen=True, slots=True)
class _Ticks:
    """Of all cores since the system started."""

    stolen: int
    busy: int
    all: int
    own: float  # this process's, and those of its children that ended


@dataclass(frozen=True, slots=True)
class Watch:
    """What was counted when the run began."""

    started_at: str
    start: float
    load: float
    ticks: _Ticks | None
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
            steal=_share(self.ticks, ticks, lambda of: of.stolen),
            others=_share(self.ticks, ticks, lambda of: of.busy - of.own),
            throttled=held_back,
            governor=_read(_GOVERNOR).strip() or None,
        )


def condition_warnings(conditions: Conditions, reference: Values, *, cores: int) -> tuple[str, ...]:
    """Why a whole run may not be trusted; empty where nothing speaks against it."""
    return tuple(_doubts(conditions, pooled(reference), cores))


def _doubts(found: Conditions, reference: list[float], cores: int) -> Iterator[str]:
    if found.load_before > _MOST_LOAD * cores:
        yield f"other work: {found.load_before:.1f} processes were runnable in the minute before, on {cores} cores"
    if found.steal is not None and found.steal > _MOST_STEAL:
        yield f"stolen time: the hypervisor gave {100 * found.steal:.1f} % of the cores' time to others"
    if found.others is not None and found.others > _MOST_OTHERS:
        yield f"other work: other processes took {100 * found.others:.0f} % of the cores' time during the run"
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


def _ticks() -> _Ticks | None:
    fields = _read(_STAT).partition("\n")[0].split()[1:9]
    if len(fields) < 8:
        return None
    user, nice, system, idle, waiting, irq, softirq, stolen = (int(field) for field in fields)
    busy = user + nice + system + irq + softirq
    own = sum(os.times()[:4]) * os.sysconf("SC_CLK_TCK")
    return _Ticks(stolen, busy, busy + idle + waiting + stolen, own)


def _share(before: _Ticks | None, after: _Ticks | None, part: Callable[[_Ticks], float]) -> float | None:
    if before is None or after is None or after.all == before.all:
        return None
    return max(0.0, part(after) - part(before)) / (after.all - before.all)


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
