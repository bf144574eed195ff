"""token ids -> Batch: right-padded int64 arrays, the input of every graph of this project."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True)
class Batch:
    """A right-padded batch: ``B`` texts, ``T`` tokens in the longest of them."""

    input_ids: NDArray[np.int64]  # (B, T)
    attention_mask: NDArray[np.int64]  # (B, T), 1 for a token and 0 for padding
    token_type_ids: NDArray[np.int64]  # (B, T)

    @classmethod
    def of(cls, texts: Sequence[TokenizedText], *, pad_id: int, width: int | None = None) -> Self:
        """Pad ``texts`` to the longest of them (to one token if all are empty), or to ``width`` tokens."""
        if len(texts) == 1 and width is None and texts[0].ids:
            ids = np.array([texts[0].ids], dtype=np.int64)
            return cls(ids, np.ones_like(ids), np.array([texts[0].type_ids], dtype=np.int64))
        shape = (len(texts), width or max((len(text) for text in texts), default=0) or 1)
        input_ids = np.full(shape, pad_id, dtype=np.int64)
        attention_mask = np.zeros(shape, dtype=np.int64)
        token_type_ids = np.zeros(shape, dtype=np.int64)
        for row, text in enumerate(texts):
            length = len(text)
            input_ids[row, :length] = text.ids
            attention_mask[row, :length] = 1
            token_type_ids[row, :length] = text.type_ids
        return cls(input_ids, attention_mask, token_type_ids)

    def feed(self, inputs: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """The arrays that a graph with these input names takes."""
        return {name: getattr(self, name) for name in inputs}
