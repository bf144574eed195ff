"""figure -> words with its unit, the same in the table, the charts and what they tell."""

from mtl_runtime.evidence import Ratio
from mtl_runtime.page import figures

__all__ = ["megabytes", "milliseconds", "rate", "ratio_words", "seconds", "span"]


def rate(value: float) -> str:
    """``1,013 texts/s``."""
    return f"{figures.small(value)} texts/s"


def milliseconds(value: float) -> str:
    """Of seconds, ``2.61 ms``."""
    return f"{figures.small(1000 * value)} ms"


def seconds(value: float) -> str:
    """``0.42 s``."""
    return f"{figures.small(value)} s"


def megabytes(value: float) -> str:
    """Of bytes: ``171``."""
    return figures.small(value / 1e6)


def span(measured: Ratio, factor: float = 1.0) -> str:
    """The ends of an interval, both times ``factor``."""
    return f"{figures.small(factor * measured.low)}{figures.DASH}{figures.small(factor * measured.high)}"


def ratio_words(measured: Ratio, factor: float = 1.0) -> str:
    """``1,013 (95 %: 998-1,020)``."""
    return f"{figures.small(factor * measured.median)} (95 %: {span(measured, factor)})"
