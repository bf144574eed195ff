"""right or wrong answers + their probabilities -> how often those from a probability on are right.

A curve of risk and coverage (R. El-Yaniv and Y. Wiener, On the foundations of noise-free selective classification,
JMLR 11 (2010) 1605-1641) in a few points: whoever hands the least probable answers to people reads off what is left.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.evaluation.evaluation_report import ConfidentAnswers

__all__ = ["confident_answers"]

_SHARES = (0.95, 0.9, 0.8, 0.5)
_LEAST_ROWS = 20  # fewer have no shares to speak of
_DIGITS = 1000  # of a probability: it is cut after three decimals, so that it can be quoted


def confident_answers(right: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> tuple[ConfidentAnswers, ...]:
    """Measure the most probable 95, 90, 80 and 50 % of N answers; empty where fewer than 20 rows say too little.

    A share is a little larger where several answers are as probable as the last one of it, and is left out where a
    larger one is the same.

    Args:
        right: whether each answer is right, (N,).
        probabilities: of the answers, (N,).
    """
    return tuple(_measure(right, probabilities)) if len(right) >= _LEAST_ROWS else ()


def _measure(right: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> Iterator[ConfidentAnswers]:
    descending = np.sort(probabilities)[::-1]
    before = None
    for share in _SHARES:
        least = math.floor(descending[math.ceil(share * len(right)) - 1] * _DIGITS) / _DIGITS
        if least == before:
            continue
        before, sure = least, probabilities >= least
        yield ConfidentAnswers(
            probability=least,
            share=float(sure.mean()),
            accuracy=float(right[sure].mean()),
            accuracy_below=None if sure.all() else float(right[~sure].mean()),
        )
