"""Records of how one cost or one score of one system changed between two runs."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Change", "CostChange", "ScoreChange", "Verdict"]

# better, worse: significant and beyond the threshold; small: significant and within it; unknown: too few processes
Verdict = Literal["better", "worse", "same", "small", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostChange:
    """One cost of one system. Ratios are B / A in seconds or bytes, so more than 1 is worse."""

    system: str
    ours: bool
    cost: str  # a key of COSTS
    a: float  # median over processes, as measured: seconds (offline: of a text) or bytes
    b: float
    processes: tuple[int, ...]  # in A, in B
    ratio: float  # of geometric means over processes, of multiples of the reference where it is divided out
    verdict: Verdict = "unknown"
    low: float | None = None  # interval of the ratio at ``confidence``; None: too few processes
    high: float | None = None
    confidence: float | None = None  # 95 % after Holm's correction
    p: float | None = None  # of Welch's test, not corrected
    detectable: float | None = None  # the smallest ratio above 1 that four of five such pairs of runs would show


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChange:
    """One score of one system. The same texts get the same answers, so it has a tolerance and no test."""

    system: str
    ours: bool
    score: str  # agreement, accuracy, macro_f1
    task: str
    a: float
    b: float
    tolerance: float
    verdict: Verdict


Change = CostChange | ScoreChange
