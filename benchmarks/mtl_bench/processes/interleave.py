"""ways that can be run -> what each took and gave, by round: every round runs all of them, each in every position."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

__all__ = ["interleaved", "ratios"]

T = TypeVar("T")


def interleaved(
    runs: Mapping[str, Callable[[], T]], *, rounds: int, report: Callable[[str], None] = lambda _: None
) -> dict[str, list[T]]:
    """Run all of ``runs`` in each round, the first of a round being the last of the one before.

    What slows the machine for a while thus slows all of a round, and no way has a place of its own in it.
    """
    found: dict[str, list[T]] = {name: [] for name in runs}
    order = list(runs)
    for number in range(rounds):
        report(f"round {number + 1} of {rounds}")
        for name in order:
            found[name].append(runs[name]())
        order = [order[-1], *order[:-1]]
    return found


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> tuple[float, ...]:
    """Quotients round by round."""
    return tuple(a / b for a, b in zip(numerator, denominator, strict=True))
