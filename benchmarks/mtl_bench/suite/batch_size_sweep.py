"""a process -> the size of its batches that answers fastest here, and what the others gave."""

import statistics
from collections.abc import Sequence

from mtl_bench.processes.worker_process import WorkerProcess
from mtl_bench.results.schema import Swept

__all__ = ["chosen", "sweep"]

_WARM_UP = 32  # texts: what a size needs to have its buffers
_SECONDS = 0.5  # that a size is timed for, where a pass takes less
_MOST_PASSES = 5
_CHECKS = 5
_WORTH = 1.1  # times the usual size's throughput: less is noise, and another size would be another memory


def sweep(process: WorkerProcess, count: int) -> tuple[Swept, ...]:
    """Time every size on the first ``count`` texts; the best of its passes counts.

    Raises:
        ChildError: it failed.
    """
    found = []
    for size in process.facts["sizes"]:
        process.run("warm_up", size=size, count=min(count, _WARM_UP))
        seconds: list[float] = []
        while sum(seconds) < _SECONDS and len(seconds) < _MOST_PASSES:
            seconds.append(_seconds(process, size, count))
        found.append(Swept(size=size, texts_per_second=count / min(seconds)))
    return tuple(found)


def chosen(process: WorkerProcess, swept: Sequence[Swept], usual: int | None, count: int) -> int:
    """The size with the highest throughput; the usual one unless that is clearly higher, also where both run in turn.

    Raises:
        ChildError: it failed.
    """
    best = max(swept, key=lambda one: one.texts_per_second)
    known = next((one for one in swept if one.size == usual), best)
    if best.texts_per_second <= _WORTH * known.texts_per_second:
        return known.size
    # The sizes of a sweep are timed one after the other, the first by a process that is not yet at its pace.
    times = [_seconds(process, known.size, count) / _seconds(process, best.size, count) for _ in range(_CHECKS)]
    return best.size if statistics.median(times) > _WORTH else known.size


def _seconds(process: WorkerProcess, size: int, count: int) -> float:
    return float(process.run("offline", size=size, count=count).value)
