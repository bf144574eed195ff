"""many items -> a few of them, evenly spaced from the first to the last."""

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["evenly_spaced"]

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], count: int) -> list[T]:
    """Pick ``count`` of ``items`` (all if there are no more) in their order, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[number * (len(items) - 1) // max(1, count - 1)] for number in range(count)]
