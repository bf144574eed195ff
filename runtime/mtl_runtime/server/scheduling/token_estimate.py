"""Characters of a text -> tokens that it will probably have, learnt from the texts before."""

from collections.abc import Sequence

from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["TokenEstimate"]

_SPECIAL_TOKENS = 2
_MEMORY = 20_000  # characters after which what was seen before counts half


class TokenEstimate:
    """How many tokens a tokenizer makes of a character; several threads may learn and ask.

    Args:
        max_length: tokens that the encoder reads.
    """

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        self._seen = (1000.0, 4000.0)  # tokens and characters; English has about four characters a token

    def estimate(self, texts: Sequence[str] | Sequence[TokenizedText]) -> list[int]:
        """Tokens that each text will probably have, special ones included; of a tokenized text, those that it has."""
        tokens, characters = self._seen
        rate = tokens / characters
        return [
            min(self.max_length, _SPECIAL_TOKENS + int(len(text) * rate)) if isinstance(text, str) else len(text)
            for text in texts
        ]

    def learn(self, texts: Sequence[str], lengths: Sequence[int]) -> None:
        """Take note of the tokens that texts had."""
        tokens, characters = self._seen
        for text, length in zip(texts, lengths, strict=True):
            if length < self.max_length:  # of a text that was truncated nobody knows the tokens
                tokens += max(0, length - _SPECIAL_TOKENS)
                characters += len(text)
        if characters > 2 * _MEMORY:
            tokens, characters = tokens / 2, characters / 2
        self._seen = (tokens, characters)
