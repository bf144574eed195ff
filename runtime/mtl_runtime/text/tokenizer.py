"""texts -> token ids: the one tokenizer wrapper, used by training, gate and runtime alike."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from tokenizers import Encoding
from tokenizers import Tokenizer as HfTokenizer

from mtl_runtime.core.fork_hooks import is_forked_child
from mtl_runtime.errors import BundleError

__all__ = ["Span", "TokenizedText", "Tokenizer"]

Span = tuple[int, int]  # characters of a text: first, and the one after the last


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as the encoder reads it, special tokens included, never padded."""

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    truncated: bool  # the text had more than max_length tokens, and the rest is not read
    more_windows: tuple["TokenizedText", ...] = ()  # windows after this one, where the tokenizer makes windows

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A Hugging Face fast tokenizer with padding off and truncation at ``max_length`` tokens.

    Padding and truncation set in tokenizer.json are ignored: some published files pad every text to 128 tokens.
    Threads may share a tokenizer.
    """

    _tokenizer: HfTokenizer
    max_length: int
    overlap: int | None  # tokens that two windows of a long text share; None: a long text is truncated

    @classmethod
    def from_bytes(cls, data: bytes, *, max_length: int, overlap: int | None = None) -> Self:
        """Build from the bytes of a tokenizer.json.

        Args:
            data: those bytes.
            max_length: tokens that the encoder reads, special ones included.
            overlap: split a longer text into windows, each of which starts this many tokens before the end of the
                previous one; default: truncate it.

        Raises:
            BundleError: the bytes are not a tokenizer.
        """
        try:
            tokenizer = HfTokenizer.from_str(data.decode("utf-8"))
        except Exception as error:  # tokenizers raises bare Exception
            raise BundleError(f"tokenizer.json cannot be read: {error}") from error
        tokenizer.no_padding()
        room = max_length - tokenizer.num_special_tokens_to_add(False)
        if overlap is not None and room < 1:
            raise BundleError(
                f"{max_length} tokens leave no room next to the special tokens for windows of a long text"
            )
        shared = None if overlap is None else min(overlap, room - 1)  # so that each window has a new token
        tokenizer.enable_truncation(max_length, stride=shared or 0)
        return cls(tokenizer, max_length, shared)

    def encode(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokenize ``texts`` (already checked by :func:`mtl_runtime.text.validation.validate_texts`), in order."""
        # A single text needs none of the library's threads; in a forked child they do not exist, but would be awaited.
        if len(texts) == 1 or is_forked_child():
            return [self._read(self._tokenizer.encode(text)) for text in texts]
        return [self._read(encoding) for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def encode_with_spans(self, text: str) -> tuple[TokenizedText, list[Sequence[Span]]]:
        """Tokenize one text; also return, for each of its windows, the characters that each token stands for.

        A span is ``(start, end)`` in the text's characters; ``(0, 0)`` for a special token.
        """
        encoding = self._tokenizer.encode(text)
        windows = [encoding] if self.overlap is None else [encoding, *encoding.overflowing]
        return self._read(encoding), [_token_spans(window) for window in windows]

    def _read(self, encoding: Encoding) -> TokenizedText:
        if not encoding.overflowing:
            return TokenizedText(tuple(encoding.ids), tuple(encoding.type_ids), False)
        if self.overlap is None:
            return TokenizedText(tuple(encoding.ids), tuple(encoding.type_ids), True)
        more = (TokenizedText(tuple(e.ids), tuple(e.type_ids), False) for e in encoding.overflowing)
        return TokenizedText(tuple(encoding.ids), tuple(encoding.type_ids), False, tuple(more))

    def to_json(self) -> bytes:
        """Canonical bytes of tokenizer.json, with padding and truncation stripped."""
        content: dict[str, Any] = json.loads(self._tokenizer.to_str())
        content["padding"] = content["truncation"] = None
        return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()

    def token_id(self, token: str) -> int | None:
        """Id of ``token``, or None if the vocabulary lacks it."""
        return self._tokenizer.token_to_id(token)

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, added ones included: one more than the largest id."""
        return max(self._tokenizer.get_vocab().values()) + 1


def _token_spans(encoding: Encoding) -> list[Span]:
    pairs = zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
    return [(0, 0) if is_special else span for span, is_special in pairs]
