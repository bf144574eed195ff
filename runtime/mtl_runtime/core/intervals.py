"""hits of trials -> the 95 % interval of the share, or an exact bound on it."""

import math

__all__ = ["accuracy_interval", "most_hits", "share_bound", "trials_needed", "wilson_interval"]

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


def share_bound(hits: int, trials: int, *, error: float = 0.05) -> float:
    """Upper bound of a share that holds with probability 1 - ``error``: exact, one-sided, 1 without trials.

    C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413: the share with which so few hits are just as
    improbable as ``error``.
    """
    if hits >= trials:
        return 1.0
    low, high = hits / trials, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if _chance_of_at_most(hits, trials, middle) > error else (low, middle)
    return high


def most_hits(trials: int, bound: float, *, error: float = 0.05) -> int | None:
    """The most hits in ``trials`` with which :func:`share_bound` is at most ``bound``; None: not even without any."""
    if not _fits(0, trials, bound, error):
        return None
    fits, exceeds = 0, trials
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        fits, exceeds = (middle, exceeds) if _fits(middle, trials, bound, error) else (fits, middle)
    return fits


def trials_needed(bound: float, *, error: float = 0.05) -> int:
    """The fewest trials that can show a share to be at most ``bound``: without a single hit."""
    return math.ceil(math.log(error) / math.log1p(-bound))


def _fits(hits: int, trials: int, bound: float, error: float) -> bool:
    return _chance_of_at_most(hits, trials, bound) <= error


def _chance_of_at_most(hits: int, trials: int, share: float) -> float:
    """Probability of at most ``hits`` in ``trials``, each a hit with probability ``share`` in (0, 1)."""
    if hits >= trials:
        return 1.0
    odds = math.log(share) - math.log1p(-share)
    term = total = trials * math.log1p(-share)  # logarithms: the smallest terms are below the range of floats
    for hit in range(1, hits + 1):
        term += math.log(trials - hit + 1) - math.log(hit) + odds
        high, low = max(total, term), min(total, term)
        total = high + math.log1p(math.exp(low - high))
    return math.exp(min(total, 0.0))
