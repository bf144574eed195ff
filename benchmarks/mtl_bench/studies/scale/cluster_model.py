"""machines + rate of a core + shards -> when each shard would end: a simulation.

What it models: every core runs one shard at a time, some machines are slow, machines are lost and replaced, and a shard
that was lost with one runs again after all that were waiting. What it leaves out: the engine's start and the store.
"""

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ClusterSpec", "SimulatedJob", "simulate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """The machines of a job."""

    machines: int
    cores: int  # of each
    rows_per_second: float  # of a core
    spread: float  # of the seconds that equal shards take: sigma of their logarithm
    slow_share: float  # of the machines
    slow_factor: float  # times the seconds, on those
    losses_per_hour: float  # of a machine: it disappears with what it runs
    replacement_seconds: float  # until another machine takes its place
    start_seconds: float  # of a worker process: import, unpack, load

    @property
    def workers(self) -> int:
        """Shards that run at the same time."""
        return self.machines * self.cores


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedJob:
    """What became of a simulated job."""

    shard_rows: int
    shards: int
    seconds: float
    ideal_seconds: float  # all rows at the rate of all cores, none slow and none lost
    tail_seconds: float  # from when no shard is waiting for its first attempt, to the end
    lost_shards: int  # attempts that ended with their machine
    lost_seconds: float  # of all cores, spent on those
    ends_per_second: float  # of shards, on average: what the driver has to note
    most_ends_per_second: float  # in the busiest second


def simulate(spec: ClusterSpec, *, rows: int, shard_rows: int, seed: int) -> SimulatedJob:
    """Run a job of ``rows`` rows in simulated time."""
    draw = random.Random(seed)  # noqa: S311 - a simulation
    slow = [draw.random() < spec.slow_share for _ in range(spec.machines)]
    lost_at = [_next_loss(spec, draw, 0.0) for _ in range(spec.machines)]
    free = [(spec.start_seconds, worker) for worker in range(spec.workers)]
    heapq.heapify(free)
    waiting = deque((shard, 0.0) for shard in range(-(-rows // shard_rows)))
    first_round = len(waiting)
    ends: list[float] = []
    lost, lost_seconds, last_start = 0, 0.0, 0.0
    while waiting:
        start, worker = heapq.heappop(free)
        machine = worker // spec.cores
        shard, available = waiting.popleft()
        start = max(start, available)
        while start >= lost_at[machine]:  # lost while it was idle, and replaced since
            start = max(start, lost_at[machine] + spec.replacement_seconds + spec.start_seconds)
            lost_at[machine] = _next_loss(spec, draw, lost_at[machine] + spec.replacement_seconds)
        first_round -= 1
        last_start = start if first_round >= 0 else last_start
        seconds = shard_rows / spec.rows_per_second * draw.lognormvariate(0.0, spec.spread)
        end = start + seconds * (spec.slow_factor if slow[machine] else 1.0)
        if end > lost_at[machine]:
            end = lost_at[machine]
            waiting.append((shard, end))
            lost, lost_seconds = lost + 1, lost_seconds + end - start
        else:
            ends.append(end)
        heapq.heappush(free, (end, worker))
    total = max(ends)
    return SimulatedJob(
        shard_rows=shard_rows,
        shards=len(ends),
        seconds=total,
        ideal_seconds=rows / (spec.workers * spec.rows_per_second),
        tail_seconds=total - last_start,
        lost_shards=lost,
        lost_seconds=lost_seconds,
        ends_per_second=len(ends) / total,
        most_ends_per_second=float(_most_in_a_second(ends)),
    )


def _next_loss(spec: ClusterSpec, draw: random.Random, after: float) -> float:
    if not spec.losses_per_hour:
        return float("inf")
    return after + 3600 * draw.expovariate(spec.losses_per_hour)


def _most_in_a_second(ends: Sequence[float]) -> int:
    counts: dict[int, int] = {}
    for end in ends:
        counts[int(end)] = counts.get(int(end), 0) + 1
    return max(counts.values())
