"""a contender -> the size of its batches that answers fastest here, and what the others gave."""

from collections.abc import Sequence

from mtl_bench.contenders import Contender
from mtl_bench.schema import Swept
from mtl_bench.sittings import opened

__all__ = ["fastest", "sweep"]

_ROUNDS = 2


def sweep(row: Contender, texts: Sequence[str]) -> tuple[Swept, ...]:
    """Time every size in a process of its own, the better of two passes each, all sizes in turn.

    Args:
        row: the system.
        texts: to be answered.

    Raises:
        ChildError: it failed.
    """
    with opened(row, row.settings, texts) as process:
        sizes = list(process.facts["sizes"])
        for size in sizes:
            process.run("warm_up", size=size)
        rounds = [{size: process.run("offline", size=size).value for size in sizes} for _ in range(_ROUNDS)]
    return tuple(
        Swept(size=size, texts_per_second=len(texts) / min(seconds[size] for seconds in rounds)) for size in sizes
    )


def fastest(swept: Sequence[Swept]) -> int:
    """The size with the highest throughput."""
    return max(swept, key=lambda one: one.texts_per_second).size
