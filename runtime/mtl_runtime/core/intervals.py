"""hits of trials -> the 95 % interval of the share."""

import math

__all__ = ["accuracy_interval", "wilson_interval"]

_Z95 = 1.959963984540054


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """95 % score interval of a share, after E. B. Wilson, JASA 22 (1927) 209-212; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, square = hits / trials, _Z95 * _Z95
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = _Z95 / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    # At the ends the interval is exact, and rounding must not say otherwise.
    return 0.0 if hits == 0 else max(0.0, middle - half), 1.0 if hits == trials else min(1.0, middle + half)


def accuracy_interval(accuracy: float, rows: int) -> tuple[float, float]:
    """95 % interval of an accuracy that was measured on ``rows``."""
    return wilson_interval(round(accuracy * rows), rows)
