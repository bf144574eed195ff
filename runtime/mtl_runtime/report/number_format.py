"""number -> text on the page: significant digits, a true minus, never a rounded-up 100 %."""

from mtl_runtime.evidence.schema import Estimate

__all__ = [
    "DASH",
    "change",
    "count",
    "interval",
    "percent",
    "plural",
    "power",
    "ratio",
    "share",
    "shares",
    "small",
    "times",
]

DASH = "\u2013"  # en dash: for a missing figure, and between the ends of an interval
_MINUS = "\u2212"
_TIMES = "\u00d7"

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def count(number: int) -> str:
    """Format as ``2,354``."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Format as ``1 flip``, ``2 flips``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(part: float) -> str:
    """Format as ``99.87 %``; a share below 1 gets more digits rather than read as 100 %."""
    return f"{_hundredths(part)} %"


def interval(low: float, high: float) -> str:
    """Format two shares as ``99.62-99.95 %``."""
    return f"{_hundredths(low)}{DASH}{_hundredths(high)} %"


def share(part: float) -> str:
    """Format as ``0.777``."""
    return _minus(f"{part:.3f}")


def shares(low: float, high: float) -> str:
    """Format the ends of an interval as ``0.912 to 1.000``."""
    return f"{share(low)} to {share(high)}"


def change(difference: float, digits: int = 2) -> str:
    """Format as ``+0.04`` or ``-0.12``; ``±0.00`` for what rounds to zero."""
    rounded = f"{difference:+.{digits}f}"
    return _minus(rounded) if float(rounded) else f"±{0:.{digits}f}"


def small(value: float) -> str:
    """Format as ``0.0123``, and below a thousandth as ``4.5 x 10⁻⁶``."""
    if value == 0:
        return "0"
    # With three digits, 999.5 and more would read as a thousand.
    if 1e-3 <= abs(value) < 999.5:
        return _minus(f"{value:.3g}")
    if 999.5 <= abs(value) < 1e6:
        return _minus(f"{value:,.0f}")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{_minus(mantissa)} {_TIMES} {power(int(exponent))}"


def power(exponent: int) -> str:
    """Format as ``10⁻⁶``."""
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def times(factor: float) -> str:
    """Format as ``2.31x``."""
    return f"{factor:.2f}{_TIMES}"


def ratio(measured: Estimate) -> tuple[str, str, str]:
    """Format median, interval and number of rounds."""
    span = f"95 %: {measured.low:.2f}{DASH}{measured.high:.2f}"
    return times(measured.median), span, plural(measured.n, "round")


def _hundredths(part: float) -> str:
    text = f"{100 * part:.2f}"
    for digits in (3, 4, 6, 8):
        if part >= 1 or float(text) < 100:
            break
        text = f"{100 * part:.{digits}f}"
    return _minus(text)


def _minus(number: str) -> str:
    return number.replace("-", _MINUS)
