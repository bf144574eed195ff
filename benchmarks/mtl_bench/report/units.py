"""figure -> text with its unit, the same in the table, the charts and their tooltips."""

from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.report import number_format

__all__ = ["interval", "megabytes", "milliseconds", "rate", "seconds", "with_interval"]


def rate(value: float) -> str:
    """``1,013 texts/s``."""
    return f"{number_format.small(value)} texts/s"


def milliseconds(value: float) -> str:
    """Of seconds, ``2.61 ms``."""
    return f"{number_format.small(1000 * value)} ms"


def seconds(value: float) -> str:
    """``0.42 s``."""
    return f"{number_format.small(value)} s"


def megabytes(value: float) -> str:
    """Of bytes: ``171``."""
    return number_format.small(value / 1e6)


def interval(estimate: Estimate, factor: float = 1.0) -> str:
    """The ends of an interval, both times ``factor``."""
    return (
        f"{number_format.small(factor * estimate.low)}{number_format.DASH}{number_format.small(factor * estimate.high)}"
    )


def with_interval(estimate: Estimate, factor: float = 1.0) -> str:
    """``1,013 (95 %: 998-1,020)``."""
    return f"{number_format.small(factor * estimate.median)} (95 %: {interval(estimate, factor)})"
