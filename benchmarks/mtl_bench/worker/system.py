"""The contract of a driver: a function ``open(**settings) -> SystemDriver``, the same for ours and for every peer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Labels", "SystemDriver"]

# By task, one for each text: a label; labels joined by "|" (multi_label); a value (regression).
Labels = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class SystemDriver:
    """An open system that answers texts.

    Attributes:
        answer: texts and the size of a batch -> labels of every task. With the size ``None`` the driver chooses by
            itself; single texts are asked with it.
        unit: what the size of a batch counts, ``texts`` or (padded) ``tokens``.
        sizes: sizes worth trying, one at least; the fastest is taken for the offline scenario.
        usual: the one of them that stays unless another is clearly faster; None: there is none.
        facts: what the driver chose, and the versions that matter.
        warm_up: passes over the same texts before a timed one; compilers need more.
        concurrency: calls that it is made to answer at the same time.
        kernel: texts and size -> a call that runs the same batches in the model alone; None: not separable.
    """

    answer: Callable[[Sequence[str], int | None], Labels]
    unit: str
    sizes: Sequence[int]
    usual: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    warm_up: int = 1
    concurrency: int = 1
    kernel: Callable[[Sequence[str], int | None], Callable[[], Any]] | None = None
