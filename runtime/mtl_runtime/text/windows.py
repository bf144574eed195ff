"""texts longer than the encoder reads -> windows -> one row of each output per text."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.text.tokenizer import TokenizedText
from mtl_runtime.text.validation import Aggregate

__all__ = ["aggregate_windows", "flatten_windows", "window_overlap"]

Rows = NDArray[np.float32]


def window_overlap(max_length: int) -> int:
    """Tokens that a window shares with the previous one: a quarter, so that few sentences are split in both."""
    return max_length // 4


def flatten_windows(texts: Sequence[TokenizedText]) -> tuple[Sequence[TokenizedText], NDArray[np.intp] | None]:
    """List all windows in the texts' order, and the index of each text's first; None if each text is one window."""
    if not any(text.more_windows for text in texts):
        return texts, None
    windows = [window for text in texts for window in (text, *text.more_windows)]
    counts = [1 + len(text.more_windows) for text in texts]
    return windows, np.cumsum([0, *counts[:-1]])


def aggregate_windows(rows: Rows, starts: NDArray[np.intp] | None, how: Aggregate) -> Rows:
    """Reduce the rows of each text's windows to one row.

    Args:
        rows: an output of all windows, float32 (windows, width).
        starts: index of each text's first window, as :func:`flatten_windows` returns it.
        how: ``mean`` of the windows' rows, their elementwise ``max``, or the ``first`` window's.
    """
    return rows if starts is None else _AGGREGATE[how](rows, starts)


def _mean(rows: Rows, starts: NDArray[np.intp]) -> Rows:
    counts = np.diff(starts, append=len(rows))
    sums = np.add.reduceat(rows, starts, axis=0, dtype=np.float64)
    return np.asarray(sums / counts[:, None], dtype=np.float32)


_AGGREGATE: Mapping[Aggregate, Callable[[Rows, NDArray[np.intp]], Rows]] = {
    "mean": _mean,
    "max": lambda rows, starts: np.maximum.reduceat(rows, starts, axis=0),
    "first": lambda rows, starts: rows[starts],
}
