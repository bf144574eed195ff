"""rows -> a small training split and a validation split of a quarter of its size, drawn by seed."""

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

__all__ = ["Row", "Split", "draw_few_shot", "draw_proportional"]

Row = Mapping[str, str]  # text, and a label for each task

_TRAIN_ROWS_PER_VALIDATION_ROW = 4


@dataclass(frozen=True, slots=True)
class Split:
    """What a user has: rows to train on, and rows to validate on."""

    train: Sequence[Row]
    validation: Sequence[Row]


def draw_few_shot(rows: Sequence[Row], shots: int, *, task: str, balance: str | None = None, seed: int) -> Split:
    """Draw ``shots`` rows of each class of ``task`` for training, and a quarter as many for validation.

    A class with too few rows gives four fifths of them to training.

    Args:
        rows: to draw from.
        shots: training rows of a class.
        task: whose classes are counted: the one with the most classes.
        balance: another task, whose classes are equally frequent among the rows of a class, as far as they go.
        seed: of the draw.
    """
    generator = random.Random(seed)  # noqa: S311 - drawn for repeatability, not for secrecy
    train: list[Row] = []
    validation: list[Row] = []
    for number, of_class in enumerate(_groups(rows, lambda row: row[task], generator)):
        # Each class begins with another class of the other task, so that these are equally frequent in all rows too.
        ordered = _alternate(of_class, balance, generator, first=number) if balance else of_class
        wanted = min(len(ordered), shots + shots // _TRAIN_ROWS_PER_VALIDATION_ROW)
        held_out = wanted // (_TRAIN_ROWS_PER_VALIDATION_ROW + 1)
        train += ordered[: wanted - held_out]
        validation += ordered[wanted - held_out : wanted]
    generator.shuffle(train)
    return Split(train, validation)


def draw_proportional(rows: Sequence[Row], count: int, *, tasks: Sequence[str], seed: int) -> Split:
    """Draw ``count`` training rows, and a quarter as many for validation, with the classes as frequent as in ``rows``.

    Each combination of classes has two rows at least, of which one trains: so no label is in validation alone.

    Args:
        rows: to draw from; each combination occurs twice or more.
        count: training rows, a multiple of 4.
        tasks: whose combinations of classes are strata.
        seed: of the draw.
    """
    generator = random.Random(seed)  # noqa: S311 - drawn for repeatability, not for secrecy
    strata = _groups(rows, lambda row: tuple(row[task] for task in tasks), generator)
    shares = _shares([len(stratum) for stratum in strata], count + count // _TRAIN_ROWS_PER_VALIDATION_ROW)
    drawn = list(chain.from_iterable(stratum[:share] for stratum, share in zip(strata, shares, strict=True)))
    # Of two neighbours at most one is every fifth.
    period = _TRAIN_ROWS_PER_VALIDATION_ROW + 1
    validation = drawn[period - 1 :: period]
    train = [row for number, row in enumerate(drawn, 1) if number % period]
    generator.shuffle(train)
    return Split(train, validation)


def _groups(rows: Iterable[Row], key: Callable[[Row], Hashable], generator: random.Random) -> list[list[Row]]:
    """The rows by key, each group shuffled; the groups in the order of their keys."""
    groups: dict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    ordered = [groups[value] for value in sorted(groups, key=repr)]
    for group in ordered:
        generator.shuffle(group)
    return ordered


def _alternate(rows: Sequence[Row], task: str, generator: random.Random, *, first: int) -> list[Row]:
    """The rows so that the classes of ``task`` take turns, beginning with the class number ``first``."""
    groups = _groups(rows, lambda row: row[task], generator)
    start = first % len(groups)
    turns = zip_longest(*groups[start:], *groups[:start])
    return [row for turn in turns for row in turn if row is not None]


def _shares(sizes: Sequence[int], total: int) -> list[int]:
    """``total`` rows over strata in proportion to their sizes, at least two for each."""
    whole = sum(sizes)
    shares = [max(2, size * total // whole) for size in sizes]
    # Rounding down leaves some rows over, the minimum takes some too many: both are made good one by one.
    while (missing := total - sum(shares)) != 0:
        step = 1 if missing > 0 else -1
        deviations = [step * (size * total / whole - share) for size, share in zip(sizes, shares, strict=True)]
        candidates = [index for index, share in enumerate(shares) if 2 <= share + step <= sizes[index]]
        shares[max(candidates, key=lambda index: deviations[index])] += step
    return shares
