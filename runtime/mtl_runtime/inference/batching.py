"""token counts -> batches: texts of similar length together, each batch within max_batch_tokens."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.providers.registry import BATCH_OVERHEAD

__all__ = ["DEFAULT_MAX_BATCH_TOKENS", "plan_batches"]

# Padded tokens per batch. Large enough to keep the cores busy, small enough that activations stay in cache.
DEFAULT_MAX_BATCH_TOKENS = 1024


def plan_batches(
    lengths: Sequence[int],
    *,
    max_batch_tokens: int,
    max_batch_size: int | None = None,
    batch_overhead: int = BATCH_OVERHEAD,
) -> list[NDArray[np.intp]]:
    """Cut texts into the batches that cost least together, longest texts first.

    A batch costs its padded tokens (rows x longest row), and ``batch_overhead``.

    Args:
        lengths: number of tokens of each text.
        max_batch_tokens: largest number of padded tokens in a batch; a single text that is longer gets a batch of its
            own.
        max_batch_size: texts in a batch, however short they are; default: no limit.
        batch_overhead: what a batch costs besides, in tokens: the larger, the fewer batches and the more padding.

    Returns:
        Index arrays that hold each text exactly once. Equal inputs give equal batches.
    """
    sizes = np.asarray(lengths, dtype=np.intp)
    order = np.argsort(-sizes, kind="stable")
    starts = _find_starts(np.maximum(sizes[order], 1), max_batch_tokens, max_batch_size or len(order), batch_overhead)
    return np.split(order, starts[1:]) if len(order) else []


def _find_starts(sizes: NDArray[np.intp], most_tokens: int, most_texts: int, overhead: int) -> list[int]:
    """Where batches of texts with falling ``sizes`` start, so that they cost least.

    The cheapest way to cut the first ``stop`` texts is the cheapest way to cut those before the last batch, and that
    batch, whose longest text is its first: costs[start] + overhead + (stop - start) * sizes[start].
    """
    count = len(sizes)
    # costs[start] - start * sizes[start], to which stop * sizes[start] is added
    bases = np.zeros(count, dtype=np.intp)
    last_starts = [0] * (count + 1)
    first = 0  # earliest start of a batch that ends at ``stop``
    for stop in range(1, count + 1):
        while first < stop - 1 and (stop - first > most_texts or (stop - first) * sizes[first] > most_tokens):
            first += 1
        costs = bases[first:stop] + stop * sizes[first:stop]
        best = int(costs.argmin())
        last_starts[stop] = first + best
        if stop < count:
            bases[stop] = costs[best] + overhead - stop * sizes[stop]
    starts = []
    stop = count
    while stop:
        stop = last_starts[stop]
        starts.append(stop)
    return starts[::-1]
