"""a process -> the size of its batches that answers fastest here, and what the others gave."""

from collections.abc import Sequence

from mtl_bench.children import Child
from mtl_bench.schema import Swept

__all__ = ["fastest", "sweep"]

_WARM_UP = 32  # texts: what a size needs to have its buffers


def sweep(process: Child, count: int) -> tuple[Swept, ...]:
    """Time every size on the first ``count`` texts.

    Raises:
        ChildError: it failed.
    """
    found = []
    for size in process.facts["sizes"]:
        process.run("warm_up", size=size, count=min(count, _WARM_UP))
        seconds = process.run("offline", size=size, count=count).value
        found.append(Swept(size=size, texts_per_second=count / seconds))
    return tuple(found)


def fastest(swept: Sequence[Swept]) -> int:
    """The size with the highest throughput."""
    return max(swept, key=lambda one: one.texts_per_second).size
