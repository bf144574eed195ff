"""a system's process -> the batch size that is fastest here, and the throughput of all that were tried."""

import logging
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from mtl_bench.processes.worker_process import WorkerProcess
from mtl_bench.results.scenarios import SweepPoint

__all__ = ["BatchSize", "choose_batch_size", "find_batch_size", "sweep_batch_sizes"]

_log = logging.getLogger(__name__)
_WARM_UP_TEXTS = 32  # a size needs them to have its buffers
_MIN_SECONDS = 0.5  # for which a size is timed, where a pass takes less
_MAX_PASSES = 5
_CHECKS = 5
# Times the usual size's throughput: less is noise, and another size would need another amount of memory.
_MIN_GAIN = 1.1


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The size that a system runs with, and the sweep that it comes from."""

    size: int
    sweep: tuple[SweepPoint, ...]


def find_batch_size(process: WorkerProcess, count: int) -> BatchSize:
    """Sweep the sizes on the first ``count`` texts, and choose one.

    Raises:
        WorkerError: the process failed.
    """
    sweep = sweep_batch_sizes(process, count)
    size = choose_batch_size(process, sweep, process.facts["usual"], count)
    _log.debug("batches of %d, chosen from %s", size, sweep)
    return BatchSize(size, sweep)


def sweep_batch_sizes(process: WorkerProcess, count: int) -> tuple[SweepPoint, ...]:
    """Time every size on the first ``count`` texts; the fastest of its passes counts.

    Raises:
        WorkerError: the process failed.
    """
    sweep = []
    for size in process.facts["sizes"]:
        process.run("warm_up", size=size, count=min(count, _WARM_UP_TEXTS))
        seconds: list[float] = []
        while sum(seconds) < _MIN_SECONDS and len(seconds) < _MAX_PASSES:
            seconds.append(_offline_seconds(process, size, count))
        sweep.append(SweepPoint(size=size, texts_per_second=count / min(seconds)))
    return tuple(sweep)


def choose_batch_size(process: WorkerProcess, sweep: Sequence[SweepPoint], usual: int | None, count: int) -> int:
    """The size with the highest throughput, but the usual one unless another is clearly faster.

    It must be clearly faster when both run in turn, too.

    Raises:
        WorkerError: the process failed.
    """
    best = max(sweep, key=lambda point: point.texts_per_second)
    default = next((point for point in sweep if point.size == usual), best)
    if best.texts_per_second <= _MIN_GAIN * default.texts_per_second:
        return default.size
    # The sizes of a sweep are timed one after the other, the first by a process that is not yet at its full speed.
    gains = [
        _offline_seconds(process, default.size, count) / _offline_seconds(process, best.size, count)
        for _ in range(_CHECKS)
    ]
    return best.size if statistics.median(gains) > _MIN_GAIN else default.size


def _offline_seconds(process: WorkerProcess, size: int, count: int) -> float:
    return float(process.run("offline", size=size, count=count).value)
