"""Load, stolen time and throttling before and after a run -> Conditions, and warnings where they spoil the figures."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mtl_bench.analysis.summary import flatten
from mtl_bench.results.scenarios import Values
from mtl_bench.results.schema import Conditions

__all__ = ["ConditionsWatch", "condition_warnings"]

_STAT = Path("/proc/stat")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
# cgroup v2's file, then v1's: name, key, units in a second.
_THROTTLED = (
    (Path("/sys/fs/cgroup/cpu.stat"), "throttled_usec", 1e6),
    (Path("/sys/fs/cgroup/cpu/cpu.stat"), "throttled_time", 1e9),
)
_MAX_STEAL = 0.02
_MAX_OTHERS = 0.03  # of the cores' time
_MAX_LOAD = 0.5  # runnable processes for each core
_MAX_SPREAD = 1.10  # of the reference: its 90th percentile as a multiple of its 10th


@dataclass(frozen=True, slots=True)
class _Ticks:
    """Of all cores since the system started."""

    stolen: int
    busy: int
    all: int
    own: float  # of this process, and of its child processes that ended


@dataclass(frozen=True, slots=True)
class ConditionsWatch:
    """The counters at the beginning of a run."""

    started_at: str
    start: float
    load: float
    ticks: _Ticks | None
    throttled: float | None

    @classmethod
    def begin(cls) -> "ConditionsWatch":
        """Read the counters now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(now, time.monotonic(), os.getloadavg()[0], _read_ticks(), _throttled_seconds())

    def end(self) -> Conditions:
        """Read the counters again."""
        throttled, ticks = _throttled_seconds(), _read_ticks()
        return Conditions(
            started_at=self.started_at,
            seconds=time.monotonic() - self.start,
            load_before=self.load,
            steal=_share(self.ticks, ticks, lambda of: of.stolen),
            others=_share(self.ticks, ticks, lambda of: of.busy - of.own),
            throttled=None if throttled is None or self.throttled is None else throttled - self.throttled,
            governor=_read(_GOVERNOR).strip() or None,
        )


def condition_warnings(conditions: Conditions, reference: Values, *, cores: int) -> tuple[str, ...]:
    """Why the figures of a whole run may not be trusted; empty where there is no reason."""
    return (*_warn_of_load(conditions, cores), *_warn_of_reference(flatten(reference)))


def _warn_of_load(conditions: Conditions, cores: int) -> Iterator[str]:
    load, steal, others = conditions.load_before, conditions.steal, conditions.others
    if load > _MAX_LOAD * cores:
        yield f"other work: {load:.1f} processes were runnable in the minute before, on {cores} cores"
    if steal is not None and steal > _MAX_STEAL:
        yield f"stolen time: the hypervisor gave {100 * steal:.1f} % of the cores' time to others"
    if others is not None and others > _MAX_OTHERS:
        yield f"other work: other processes took {100 * others:.0f} % of the cores' time during the run"
    if conditions.throttled:
        yield f"throttled: the container's CPU quota stopped it for {conditions.throttled:.1f} s"
    if conditions.governor not in (None, "performance"):
        yield f"frequency: the governor is {conditions.governor}; set it to performance"


def _warn_of_reference(reference: list[float]) -> Iterator[str]:
    if len(reference) > 1:
        low, high = np.percentile(reference, (10, 90))
        if high > _MAX_SPREAD * low:
            yield (
                f"unsteady machine: the same reference product took {1000 * low:.1f} to {1000 * high:.1f} ms "
                f"(10th to 90th percentile of {len(reference)})"
            )


def _read_ticks() -> _Ticks | None:
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


def _throttled_seconds() -> float | None:
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
