"""SpeedRecording -> a verdict for each measure: slower, faster, or no difference beyond the noise.

Each pair of processes gives one ratio, the median of its rounds' ratios, so that what differs between processes (where
their memory lies, which core they are on) is noise, as it should be. The interval of the mean ratio is a bootstrap over
pairs (B. Efron, Annals of Statistics 7 (1979) 1-26).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_bench.studies.speed_guard.recording import MEASURES, Pair, SpeedRecording

__all__ = ["Verdict", "judge"]

# Four measures are judged, and the base may not be found slower than itself: all of that together in 1 of 10 runs.
_LEVEL = 0.99
_RESAMPLES = 10_000
_TRIMMED = 0.2  # share of the pairs at each end that the mean leaves out: a busy moment may double a process's time
# A smaller change is nobody's concern, and within what compiling the same source twice can make.
_WORTH = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Time of the candidate as a multiple of the base's, in one measure."""

    measure: str
    ratio: float
    low: float  # 99 % interval
    high: float

    @property
    def is_slower(self) -> bool:
        """Whether the candidate takes longer, by more than noise and by enough to matter."""
        return self.low > 1.0 and self.ratio > 1.0 + _WORTH

    @property
    def is_faster(self) -> bool:
        """Likewise the other way round."""
        return self.high < 1.0 and self.ratio < 1.0 / (1.0 + _WORTH)


def judge(recording: SpeedRecording) -> list[Verdict]:
    """A verdict for each measure of :data:`mtl_bench.studies.speed_guard.recording.MEASURES`."""
    return [_judge(name, recording.pairs) for name in MEASURES]


def _judge(measure: str, pairs: Sequence[Pair]) -> Verdict:
    ratios = np.array([_log_ratio(pair.base[measure], pair.candidate[measure]) for pair in pairs])
    resampled = np.random.default_rng(0).choice(ratios, (_RESAMPLES, len(ratios)))
    low, high = np.percentile(_trimmed_mean(resampled), [50 * (1 - _LEVEL), 50 * (1 + _LEVEL)])
    ratio = float(_trimmed_mean(ratios))
    return Verdict(measure=measure, ratio=math.exp(ratio), low=math.exp(low), high=math.exp(high))


def _log_ratio(base: Sequence[float], candidate: Sequence[float]) -> float:
    return float(np.median(np.log(candidate) - np.log(base)))


def _trimmed_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the last axis."""
    count = values.shape[-1]
    left_out = int(count * _TRIMMED)
    return np.asarray(np.sort(values, axis=-1)[..., left_out : count - left_out].mean(axis=-1))
