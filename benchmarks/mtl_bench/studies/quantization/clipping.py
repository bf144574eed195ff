"""fp32 graph + min-max ranges + sentences -> narrower ranges from histograms: by percentile or by entropy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mtl_bench.studies.quantization.method_inputs import MethodInputs
from mtl_export.graphs.int8.activation_ranges import ActivationRange
from mtl_runtime.inference.batching import DEFAULT_MAX_BATCH_TOKENS, plan_batches
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch

__all__ = ["ChooseRange", "Histogram", "clip_ranges", "range_by_entropy", "range_by_percentile"]

_BINS = 4096
_LEVELS = 256  # of uint8
_WINDOWS = 64  # tried by entropy, from an eighth of the range to all of it


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of all values of one tensor, in bins of equal width from ``low`` to ``high``."""

    counts: NDArray[np.int64]
    low: float
    high: float

    def at(self, edge: float) -> float:
        """The value at an edge, counted from 0 to the number of bins."""
        return self.low + (self.high - self.low) * edge / len(self.counts)


ChooseRange = Callable[[Histogram], tuple[float, float]]


def clip_ranges(inputs: MethodInputs, choose: ChooseRange) -> dict[str, ActivationRange]:
    """Ranges of the inputs of the fused graph's products, as ``choose`` cuts them."""
    histograms = collect_histograms(inputs, inputs.graphs.fused, inputs.graphs.fused_ranges)
    return {
        name: ActivationRange(*(np.array([edge], np.float32) for edge in choose(histogram)))
        for name, histogram in histograms.items()
    }


def range_by_percentile(histogram: Histogram, *, percent: float) -> tuple[float, float]:
    """The range that holds ``percent`` of all values, the same share cut off at both ends."""
    cut = (1 - percent / 100) / 2
    shares = np.cumsum(histogram.counts) / histogram.counts.sum()
    low, high = np.searchsorted(shares, [cut, 1 - cut])
    return histogram.at(float(low)), histogram.at(float(high) + 1)


def range_by_entropy(histogram: Histogram) -> tuple[float, float]:
    """The range around 0 in which 256 levels lose the least information (KL divergence, as TensorRT calibrates)."""
    counts, low = histogram.counts, min(histogram.low, 0)
    zero = round(-low / (histogram.high - low) * len(counts))
    windows = [
        (round(zero * (1 - share)), round(zero + (len(counts) - zero) * share))
        for share in np.linspace(1 / 8, 1, _WINDOWS)
    ]
    first, last = min(windows, key=lambda window: _divergence(counts, *window))
    return histogram.at(first), histogram.at(last)


def collect_histograms(
    inputs: MethodInputs, model: ir.Model, bounds: Mapping[str, ActivationRange]
) -> dict[str, Histogram]:
    """Histograms of the values named in ``bounds``, at tokens only."""
    edges = {name: (float(bound.low.min()), float(bound.high.max())) for name, bound in bounds.items()}
    counts = {name: np.zeros(_BINS, np.int64) for name in bounds}
    for name, values in _run_values(inputs, model, list(bounds)):
        counts[name] += np.histogram(values, _BINS, edges[name])[0]
    return {name: Histogram(counts[name], *edges[name]) for name in bounds}


def _run_values(
    inputs: MethodInputs, model: ir.Model, names: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    watched = model.clone()
    by_name = {value.name: value for node in watched.graph for value in node.outputs}
    watched.graph.outputs.extend(by_name[name] for name in names)
    file = inputs.folder / "histograms.onnx"
    ir.save(watched, file)
    session = Session.open(file)
    for indices in plan_batches([len(text) for text in inputs.texts], max_batch_tokens=DEFAULT_MAX_BATCH_TOKENS):
        batch = Batch.of([inputs.texts[index] for index in indices], pad_id=inputs.pad_id)
        for name, values in zip(names, session.run(batch, names), strict=True):
            yield name, values[batch.attention_mask == 1]
    file.unlink()


def _divergence(counts: NDArray[np.int64], first: int, last: int) -> float:
    """KL divergence of the clipped distribution from its rounding to 256 levels."""
    inside = counts[first:last].astype(np.float64)
    true = inside.copy()
    true[0] += counts[:first].sum()
    true[-1] += counts[last:].sum()
    level = np.arange(len(inside)) * _LEVELS // len(inside)
    occupied = inside > 0
    sums = np.bincount(level, inside, _LEVELS)
    bins = np.bincount(level, occupied, _LEVELS)
    rounded = np.where(occupied, (sums / np.maximum(bins, 1))[level], 0)
    p, q = true / true.sum(), np.maximum(rounded / rounded.sum(), 1e-12)
    positive = p > 0
    return float((p[positive] * np.log(p[positive] / q[positive])).sum())
