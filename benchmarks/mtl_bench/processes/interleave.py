"""Runs -> their values by round: every round runs all of them, each in another position."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

__all__ = ["round_ratios", "run_interleaved"]

T = TypeVar("T")

_log = logging.getLogger(__name__)


def run_interleaved(
    runs: Mapping[str, Callable[[], T]], *, rounds: int, stage: str | None = None, shuffle_seed: int | None = None
) -> dict[str, list[T]]:
    """Run all of ``runs`` in each round, so that what slows the machine for a while slows all of a round.

    Args:
        runs: by name.
        rounds: number of them.
        stage: begins the line that is logged for each round; None: rounds are a detail.
        shuffle_seed: of an order that is drawn for each round, so that no run always follows the same one; None: the
            first of a round is the last of the one before.
    """
    values: dict[str, list[T]] = {name: [] for name in runs}
    for number, order in enumerate(_orders(list(runs), rounds, shuffle_seed), 1):
        line = f"round {number} of {rounds}"
        _log.log(logging.INFO if stage else logging.DEBUG, "%s", f"{stage}, {line}" if stage else line)
        for name in order:
            values[name].append(runs[name]())
    return values


def _orders(names: Sequence[str], rounds: int, shuffle_seed: int | None) -> Iterator[Sequence[str]]:
    generator = np.random.default_rng(shuffle_seed)
    for number in range(rounds):
        first = -number % max(1, len(names))
        in_turn = [*names[first:], *names[:first]]
        yield in_turn if shuffle_seed is None else [names[index] for index in generator.permutation(len(names))]


def round_ratios(numerator: Sequence[float], denominator: Sequence[float]) -> tuple[float, ...]:
    """Quotients round by round."""
    return tuple(a / b for a, b in zip(numerator, denominator, strict=True))
