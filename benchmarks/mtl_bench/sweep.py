"""a process -> the size of its batches that answers fastest here, and what the others gave."""

from collections.abc import Sequence

from mtl_bench.children import Child
from mtl_bench.schema import Swept

__all__ = ["chosen", "sweep"]

_WARM_UP = 32  # texts: what a size needs to have its buffers
_SECONDS = 0.5  # that a size is timed for, where a pass takes less
_MOST_PASSES = 5
_WORTH = 1.1  # times the usual size's throughput: less is noise, and another size would be another memory


def sweep(process: Child, count: int) -> tuple[Swept, ...]:
    """Time every size on the first ``count`` texts; the best of its passes counts.

    Raises:
        ChildError: it failed.
    """
    found = []
    for size in process.facts["sizes"]:
        process.run("warm_up", size=size, count=min(count, _WARM_UP))
        seconds: list[float] = []
        while sum(seconds) < _SECONDS and len(seconds) < _MOST_PASSES:
            seconds.append(process.run("offline", size=size, count=count).value)
        found.append(Swept(size=size, texts_per_second=count / min(seconds)))
    return tuple(found)


def chosen(swept: Sequence[Swept], usual: int | None) -> int:
    """The size with the highest throughput; the usual one unless that is clearly higher."""
    best = max(swept, key=lambda one: one.texts_per_second)
    known = next((one for one in swept if one.size == usual), best)
    return best.size if best.texts_per_second > _WORTH * known.texts_per_second else known.size
