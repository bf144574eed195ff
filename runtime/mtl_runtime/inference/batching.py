"""token counts -> batches: texts of similar length together, each batch within max_batch_tokens."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_MAX_BATCH_TOKENS", "plan_batches"]

# Padded tokens per batch. Large enough to keep the cores busy, small enough that activations stay in cache.
DEFAULT_MAX_BATCH_TOKENS = 1024


def plan_batches(
    lengths: Sequence[int], *, max_batch_tokens: int, max_batch_size: int | None = None
) -> list[NDArray[np.intp]]:
    """Cut texts into batches of indices, longest texts first.

    Args:
        lengths: number of tokens of each text.
        max_batch_tokens: largest number of padded tokens (rows x longest row) in a batch; a single text
            that is longer gets a batch of its own.
        max_batch_size: texts in a batch, however short they are; default: no limit.

    Returns:
        Index arrays that hold each text exactly once. Equal inputs give equal batches.
    """
    sizes = np.asarray(lengths, dtype=np.intp)
    order = np.argsort(-sizes, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        rows = max(1, min(max_batch_tokens // max(1, int(sizes[order[start]])), max_batch_size or len(order)))
        batches.append(order[start : start + rows])
        start += rows
    return batches
