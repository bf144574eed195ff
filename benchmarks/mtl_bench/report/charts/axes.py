"""values -> an axis: the place of each value between two ends, and round numbers as ticks."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Axis", "format_number", "linear_axis", "logarithmic_axis"]


def format_number(value: float) -> str:
    """A tick as text: ``0.25``, ``1,000``."""
    return f"{value:,.10g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From ``low`` to ``high``; a value outside is drawn at the end."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False
    format: Callable[[float], str] = format_number

    def share(self, value: float) -> float:
        """Place of a value, from 0 at the low end to 1."""
        return min(1.0, max(0.0, self._place(value)))

    def _place(self, value: float) -> float:
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        # 0 has no logarithm: it stands at the low end.
        return (math.log(value) - math.log(self.low)) / math.log(self.high / self.low) if value > 0 else 0.0


def linear_axis(
    values: Iterable[float],
    *,
    low: float | None = 0.0,
    high: float | None = None,
    format_tick: Callable[[float], str] = format_number,
) -> Axis:
    """About four round steps.

    Args:
        values: to be shown.
        low: the low end; None: a round number below the smallest value.
        high: the highest end that makes sense, such as 1 of a share; None: a round number above the largest.
        format_tick: tick -> its text.
    """
    shown = list(values) or [0.0]
    smallest, largest = (min(shown) if low is None else low), max(shown)
    step = _round_step((largest - smallest) / 4 or abs(largest) / 4 or 1.0)
    first = math.floor(smallest / step + 1e-9)
    last = max(first + 1, math.ceil(largest / step - 1e-9))
    end = last * step if high is None else min(last * step, high)
    # Where all values are the highest that makes sense, there is room below them only.
    first = min(first, math.ceil(end / step - 1e-9) - 1)
    steps = (round(count * step, 12) for count in range(first, last + 1))
    ticks = tuple(tick for tick in steps if tick <= end * 1.000001)
    return Axis(low=first * step, high=end, ticks=ticks, format=format_tick)


def logarithmic_axis(values: Iterable[float], *, format_tick: Callable[[float], str] = format_number) -> Axis:
    """Decades, or 1, 2, 5 of each where there are few; values that are not positive are left out."""
    shown = [value for value in values if value > 0] or [1.0]
    # Some room, so that no mark sits on the frame.
    low, high = min(shown) / 1.15, max(shown) * 1.15
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if high / low < 200 else (1,)
    inside = [tick for power in exponents for factor in factors if low <= (tick := factor * 10.0**power) <= high]
    ticks = inside[:: math.ceil(len(inside) / 6)] if inside else [min(shown)]
    rounded = tuple(float(f"{tick:.3g}") for tick in ticks)
    return Axis(low=low, high=high, ticks=rounded, log=True, format=format_tick)


def _round_step(rough: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.999)
