"""values -> an axis: where each of them lies between two ends, and round numbers to mark."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Axis", "linear", "logarithmic", "number"]


def number(value: float) -> str:
    """A tick as words: ``0.25``, ``1,000``."""
    return f"{value:,.10g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From ``low`` to ``high``; what lies outside is drawn at the end."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False
    format: Callable[[float], str] = number

    def share(self, value: float) -> float:
        """Place of a value, from 0 at the low end to 1."""
        return min(1.0, max(0.0, self._place(value)))

    def _place(self, value: float) -> float:
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        # Nothing has no logarithm: it stands at the low end.
        return (math.log(value) - math.log(self.low)) / math.log(self.high / self.low) if value > 0 else 0.0


def linear(
    values: Iterable[float],
    *,
    low: float | None = 0.0,
    high: float | None = None,
    words: Callable[[float], str] = number,
) -> Axis:
    """About four round steps.

    Args:
        values: to be shown.
        low: the low end; None: a round number below the least value.
        high: the highest end that makes sense, such as 1 of a share; None: a round number above the largest.
        words: of a tick.
    """
    some = list(values) or [0.0]
    least, most = (min(some) if low is None else low), max(some)
    step = _round_step((most - least) / 4 or abs(most) / 4 or 1.0)
    first = math.floor(least / step + 1e-9)
    last = max(first + 1, math.ceil(most / step - 1e-9))
    end = last * step if high is None else min(last * step, high)
    # Where all values are the highest that makes sense, there is room below them only.
    first = min(first, math.ceil(end / step - 1e-9) - 1)
    ticks = (round(count * step, 12) for count in range(first, last + 1))
    return Axis(low=first * step, high=end, ticks=tuple(tick for tick in ticks if tick <= end * 1.000001), format=words)


def logarithmic(values: Iterable[float], *, words: Callable[[float], str] = number) -> Axis:
    """Decades, or 1, 2, 5 of each where there are few; values that are not positive are left out."""
    some = [value for value in values if value > 0] or [1.0]
    # A finger's breadth of room, so that no mark sits on the frame.
    low, high = min(some) / 1.15, max(some) * 1.15
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if high / low < 200 else (1,)
    inside = [tick for power in exponents for factor in factors if low <= (tick := factor * 10.0**power) <= high]
    kept = inside[:: math.ceil(len(inside) / 6)] if inside else [min(some)]
    return Axis(low=low, high=high, ticks=tuple(float(f"{tick:.3g}") for tick in kept), log=True, format=words)


def _round_step(rough: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.999)
