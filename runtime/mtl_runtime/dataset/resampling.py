"""targets + logits of one or several models -> their metrics on resampled rows, the same rows for all of them.

The bootstrap over rows: B. Efron, Annals of Statistics 7 (1979) 1-26. A metric of a resample follows from how often
each row was drawn, so that all resamples are a few products of matrices.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.dataset.metrics import label_indicators
from mtl_runtime.dataset.targets import Targets
from mtl_runtime.inference.decode import compute_probabilities

__all__ = ["ResampledMetrics", "resample_metrics"]

_MOST_RESAMPLES, _LEAST_RESAMPLES = 1000, 200
_RESAMPLED_ROWS = 2_000_000  # in all: of very many rows fewer resamples do, since they hardly differ
_ROUNDING = 1e-12  # as a share of a variance
_CELLS = 4_000_000  # of draws, at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ResampledMetrics:
    """Metrics of R resamples."""

    values: Mapping[str, Floats]  # (R,) by metric, as TaskMetrics.values
    f1: Floats  # (R, labels); NaN where a label neither occurs nor is given; without columns for a regression

    @classmethod
    def join(cls, parts: "Sequence[ResampledMetrics]") -> "ResampledMetrics":
        """The resamples of all parts, one after another."""
        names = parts[0].values
        values = {name: np.concatenate([part.values[name] for part in parts]) for name in names}
        return cls(values, np.concatenate([part.f1 for part in parts]))


def resample_metrics(
    targets: Targets, models: Sequence[tuple[TaskSpec, NDArray[np.float32]]]
) -> tuple[ResampledMetrics, ...]:
    """Compute the metrics of each model on 1,000 resamples of the rows (fewer of very many rows), with a fixed seed.

    Args:
        targets: (N,) or (N, labels), all rows labelled, at least one.
        models: of each its task, with its own thresholds, and its logits, float32 (N, width).
    """
    measures = [_MEASURES[task.kind](task, targets, logits) for task, logits in models]
    parts = [[measure(counts) for measure in measures] for counts in _draw(len(targets))]
    return tuple(ResampledMetrics.join(part) for part in zip(*parts, strict=True))


def _draw(rows: int) -> Iterator[Floats]:
    """How often each row was drawn, (resamples, N), some resamples at a time."""
    random = np.random.default_rng(0)
    left = max(_LEAST_RESAMPLES, min(_MOST_RESAMPLES, _RESAMPLED_ROWS // rows))
    while left:
        size = min(left, max(1, _CELLS // rows))
        draws = (np.bincount(random.integers(rows, size=rows), minlength=rows) for _ in range(size))
        yield np.array(list(draws), dtype=np.float64)
        left -= size


Measure = Callable[[Floats], ResampledMetrics]


def _measure_labels(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> Measure:
    truth, given = (side.astype(np.float64) for side in label_indicators(task, targets, logits))
    right = (truth == given).all(axis=1).astype(np.float64)

    def measure(counts: Floats) -> ResampledMetrics:
        hits, support, predictions = counts @ (truth * given), counts @ truth, counts @ given
        occurring = support + predictions
        f1 = np.divide(2 * hits, occurring, out=np.full_like(hits, np.nan), where=occurring > 0)
        total = occurring.sum(axis=1)
        values = {"accuracy": counts @ right / counts.sum(axis=1), "macro_f1": _mean_of_present(f1)}
        if task.kind == "multi_label":
            values["micro_f1"] = np.divide(2 * hits.sum(axis=1), total, out=np.zeros(len(total)), where=total > 0)
        return ResampledMetrics(values, f1)

    return measure


def _mean_of_present(f1: Floats) -> Floats:
    present = ~np.isnan(f1)
    return np.asarray(np.nan_to_num(f1).sum(axis=1) / np.maximum(present.sum(axis=1), 1))


def _measure_numbers(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> Measure:
    truth, given = targets.astype(np.float64), compute_probabilities(task, logits)[:, 0].astype(np.float64)
    error = given - truth
    # Moments about the means of all rows: those about 0 would cancel where numbers are large and alike.
    x, y = truth - truth.mean(), given - given.mean()

    def measure(counts: Floats) -> ResampledMetrics:
        shares = counts / counts.sum(axis=1, keepdims=True)
        mean_x, mean_y = shares @ x, shares @ y
        covariance = shares @ (x * y) - mean_x * mean_y
        spread = np.sqrt(_variance(shares, x, mean_x) * _variance(shares, y, mean_y))
        values = {
            "mse": shares @ error**2,
            "mae": shares @ np.abs(error),
            "pearson": np.divide(covariance, spread, out=np.zeros(len(spread)), where=spread > 0),
        }
        return ResampledMetrics(values, np.empty((len(counts), 0)))

    return measure


def _variance(shares: Floats, values: Floats, means: Floats) -> Floats:
    """(R,); exactly 0 where all that was drawn is equal, up to rounding."""
    variance = shares @ values**2 - means**2
    return np.where(variance > _ROUNDING * np.mean(values**2), variance, 0.0)


_MEASURES: Mapping[Kind, Callable[[TaskSpec, Targets, NDArray[np.float32]], Measure]] = {
    "single_label": _measure_labels,
    "multi_label": _measure_labels,
    "regression": _measure_numbers,
}
