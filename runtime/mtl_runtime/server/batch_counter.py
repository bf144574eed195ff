"""Batches that a model ran, in numbers."""

import threading
from collections.abc import Mapping

from mtl_runtime.text.batch import Batch

__all__ = ["BatchCounter"]


class BatchCounter:
    """Counts what several threads run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches = self._texts = self._tokens = self._padded = 0

    def count(self, batch: Batch) -> None:
        """A batch is about to run."""
        texts, tokens = len(batch.input_ids), int(batch.attention_mask.sum())
        with self._lock:
            self._batches += 1
            self._texts += texts
            self._tokens += tokens
            self._padded += batch.input_ids.size

    def totals(self) -> Mapping[str, int]:
        """Batches, their rows, and the tokens in them with and without padding, since the start."""
        with self._lock:
            return {
                "batches": self._batches,
                "batch_texts": self._texts,
                "batch_tokens": self._tokens,
                "padding_tokens": self._padded - self._tokens,
            }
