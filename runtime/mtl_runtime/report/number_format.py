"""number -> text as the page shows it: digits that mean something, a true minus, never a rounded-up 100 %."""

from mtl_runtime.evidence.schema import Estimate

__all__ = ["DASH", "change", "count", "interval", "percent", "plural", "power", "ratio", "share", "small", "times"]

DASH = "\u2013"  # en dash: stands for a figure that there is not, and between the ends of an interval
_MINUS = "\u2212"
_TIMES = "\u00d7"

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def count(number: int) -> str:
    """``2,354``."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """``1 flip``, ``2 flips``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(part: float) -> str:
    """``99.87 %``; a share below 1 takes more digits rather than read as 100 %."""
    return f"{_hundredths(part)} %"


def interval(low: float, high: float) -> str:
    """``99.62-99.95 %``, of two shares."""
    return f"{_hundredths(low)}{DASH}{_hundredths(high)} %"


def share(part: float) -> str:
    """``0.777``."""
    return _minus(f"{part:.3f}")


def change(difference: float, digits: int = 2) -> str:
    """``+0.04`` or ``-0.12``; ``±0.00`` where nothing is left after rounding."""
    rounded = f"{difference:+.{digits}f}"
    return _minus(rounded) if float(rounded) else f"±{0:.{digits}f}"


def small(value: float) -> str:
    """``0.0123``, and ``4.5 x 10⁻⁶`` below a thousandth."""
    if value == 0:
        return "0"
    # Three digits of 999.5 and more are a thousand.
    if 1e-3 <= abs(value) < 999.5:
        return _minus(f"{value:.3g}")
    if 999.5 <= abs(value) < 1e6:
        return _minus(f"{value:,.0f}")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{_minus(mantissa)} {_TIMES} {power(int(exponent))}"


def power(exponent: int) -> str:
    """``10⁻⁶``."""
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def times(factor: float) -> str:
    """``2.31x``."""
    return f"{factor:.2f}{_TIMES}"


def ratio(measured: Estimate) -> tuple[str, str, str]:
    """Median, interval and number of rounds."""
    span = f"95 %: {measured.low:.2f}{DASH}{measured.high:.2f}"
    return times(measured.median), span, plural(measured.n, "round")


def _hundredths(part: float) -> str:
    shown = f"{100 * part:.2f}"
    for digits in (3, 4, 6, 8):
        if part >= 1 or float(shown) < 100:
            break
        shown = f"{100 * part:.{digits}f}"
    return _minus(shown)


def _minus(number: str) -> str:
    return number.replace("-", _MINUS)
