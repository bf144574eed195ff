"""fp32 graph + min-max ranges + sentences -> narrower ranges, chosen from histograms: by percentile or by entropy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mtl_bench.studies.quantization.ingredients import Ingredients
from mtl_export.graphs.int8.activation_ranges import ActivationRange
from mtl_runtime.inference.batching import DEFAULT_MAX_BATCH_TOKENS, plan_batches
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch

__all__ = ["Histogram", "by_entropy", "by_percentile", "clipped"]

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


def clipped(ingredients: Ingredients, choose: Callable[[Histogram], tuple[float, float]]) -> dict[str, ActivationRange]:
    """Ranges of the inputs of the fused graph's products, as ``choose`` cuts them."""
    material = ingredients.material
    found = histograms(ingredients, material.fused, material.fused_ranges)
    return {
        name: ActivationRange(*(np.array([edge], np.float32) for edge in choose(seen))) for name, seen in found.items()
    }


def by_percentile(seen: Histogram, *, percent: float) -> tuple[float, float]:
    """The range that holds ``percent`` of all values, the same share cut off at both ends."""
    cut = (1 - percent / 100) / 2
    shares = np.cumsum(seen.counts) / seen.counts.sum()
    low, high = np.searchsorted(shares, [cut, 1 - cut])
    return seen.at(float(low)), seen.at(float(high) + 1)


def by_entropy(seen: Histogram) -> tuple[float, float]:
    """The range around 0 in which 256 levels lose the least information (KL divergence, as TensorRT calibrates)."""
    zero = round(-min(seen.low, 0) / (seen.high - min(seen.low, 0)) * len(seen.counts))
    windows = [
        (round(zero * (1 - share)), round(zero + (len(seen.counts) - zero) * share))
        for share in np.linspace(1 / 8, 1, _WINDOWS)
    ]
    first, last = min(windows, key=lambda window: _divergence(seen.counts, *window))
    return seen.at(first), seen.at(last)


def histograms(
    ingredients: Ingredients, model: ir.Model, bounds: Mapping[str, ActivationRange]
) -> dict[str, Histogram]:
    """Histograms of the values that ``bounds`` names, at tokens only."""
    edges = {name: (float(seen.low.min()), float(seen.high.max())) for name, seen in bounds.items()}
    counts = {name: np.zeros(_BINS, np.int64) for name in bounds}
    for name, values in _values(ingredients, model, list(bounds)):
        counts[name] += np.histogram(values, _BINS, edges[name])[0]
    return {name: Histogram(counts[name], *edges[name]) for name in bounds}


def _values(
    ingredients: Ingredients, model: ir.Model, names: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    watched = model.clone()
    by_name = {value.name: value for node in watched.graph for value in node.outputs}
    watched.graph.outputs.extend(by_name[name] for name in names)
    file = ingredients.folder / "histograms.onnx"
    ir.save(watched, file)
    session = Session.open(file)
    for indices in plan_batches([len(text) for text in ingredients.texts], max_batch_tokens=DEFAULT_MAX_BATCH_TOKENS):
        batch = Batch.of([ingredients.texts[index] for index in indices], pad_id=ingredients.pad_id)
        for name, values in zip(names, session.run(batch, names), strict=True):
            yield name, values[batch.attention_mask == 1]
    file.unlink()


def _divergence(counts: NDArray[np.int64], first: int, last: int) -> float:
    """KL divergence of the clipped distribution from what is left of it after 256 levels."""
    inside = counts[first:last].astype(np.float64)
    true = inside.copy()
    true[0] += counts[:first].sum()
    true[-1] += counts[last:].sum()
    level = np.arange(len(inside)) * _LEVELS // len(inside)
    held = inside > 0
    sums = np.bincount(level, inside, _LEVELS)
    filled = np.bincount(level, held, _LEVELS)
    left = np.where(held, (sums / np.maximum(filled, 1))[level], 0)
    p, q = true / true.sum(), np.maximum(left / left.sum(), 1e-12)
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / q[seen])).sum())
