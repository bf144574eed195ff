"""t and degrees of freedom -> probability, and back: Student's distribution, for which numpy has no function.

The probability is a regularized incomplete beta function, computed by its continued fraction (NIST Digital Library of
Mathematical Functions, 8.17.22) with the modified Lentz method (I. J. Thompson and A. R. Barnett, "Coulomb and Bessel
functions of complex arguments and order", J. Comput. Phys. 64 (1986) 490-509).
"""

import itertools
import math
from collections.abc import Iterator

__all__ = ["critical", "two_sided"]

_TINY = 1e-300  # takes the place of a zero that would be divided by
_PRECISION = 1e-14
_HALVINGS = 60
_MOST_TERMS = 10_000  # some dozens are needed


def two_sided(t: float, degrees: float) -> float:
    """Probability that a variable with ``degrees`` > 0 of freedom lies further from 0 than ``t``."""
    square = t * t
    if math.isinf(square):
        return 0.0
    inside, outside = square / (degrees + square), degrees / (degrees + square)
    return _incomplete_beta(degrees / 2, 0.5, outside, inside)


def critical(level: float, degrees: float) -> float:
    """The ``t`` > 0 whose :func:`two_sided` probability is ``level``, found by bisection; 0 < ``level`` < 1."""
    low, high = 0.0, 1.0
    while two_sided(high, degrees) > level:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, degrees) > level else (low, middle)
    return high


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """I_x(a, b), where ``rest`` is 1 - x, told apart because the subtraction would lose its digits."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # there the fraction converges slowly, and the reflected one fast
        return 1 - _incomplete_beta(b, a, rest, x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(scale) / a * _fraction(_terms(a, b, x))


def _terms(a: float, b: float, x: float) -> Iterator[float]:
    """Numerators of 1 / (1 + d1 / (1 + d2 / ...)) without end."""
    for m in itertools.count():
        if m:
            yield m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        yield -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))


def _fraction(terms: Iterator[float]) -> float:
    value, upper, lower = 1.0, 1.0, 0.0
    for term in itertools.islice(terms, _MOST_TERMS):
        lower = 1 / ((1 + term * lower) or _TINY)
        upper = (1 + term / upper) or _TINY
        step = upper * lower
        value *= step
        if abs(step - 1) < _PRECISION:
            break
    return 1 / value
