"""predictions -> tokens that the encoder read, as clients of OpenAI count them."""

from collections.abc import Sequence
from typing import Self

import msgspec

from mtl_runtime.inference.decode import Prediction

__all__ = ["Usage"]


class Usage(msgspec.Struct):
    """Tokens of a request; nothing is generated, so that all of them are the prompt's."""

    prompt_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, predictions: Sequence[Prediction]) -> Self:
        """The tokens of all texts."""
        tokens = sum(prediction.tokens for prediction in predictions)
        return cls(tokens, tokens)
