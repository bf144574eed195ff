"""texts -> token ids: the one tokenizer wrapper, used by training, gate and runtime alike."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tokenizers import Tokenizer as HfTokenizer

from mtl_runtime.errors import BundleError, InvalidTextError

__all__ = ["DEFAULT_MAX_TEXT_BYTES", "TokenizedText", "Tokenizer", "checked_texts"]

# Tokenizing costs time and memory in proportion to the text even where it is truncated afterwards
# (10 MB of text: over 12 s and 1.2 GB), so the bytes are bounded before.
DEFAULT_MAX_TEXT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as the encoder reads it, special tokens included, never padded."""

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    truncated: bool  # the text had more than max_length tokens

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A Hugging Face fast tokenizer with padding off and truncation at ``max_length`` tokens.

    Whatever padding and truncation tokenizer.json asks for is dropped: some published files pad every
    text to 128 tokens. One tokenizer may be shared by many threads.
    """

    _tokenizer: HfTokenizer
    max_length: int

    @classmethod
    def from_bytes(cls, data: bytes, *, max_length: int) -> Self:
        """Build from the bytes of a tokenizer.json.

        Raises:
            BundleError: the bytes are not a tokenizer.
        """
        try:
            tokenizer = HfTokenizer.from_str(data.decode("utf-8"))
        except Exception as error:  # tokenizers raises bare Exception
            raise BundleError(f"tokenizer.json cannot be read: {error}") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)
        return cls(tokenizer, max_length)

    def encode(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokenize ``texts`` (already checked by :func:`checked_texts`), in order."""
        return [
            TokenizedText(tuple(encoding.ids), tuple(encoding.type_ids), bool(encoding.overflowing))
            for encoding in self._tokenizer.encode_batch_fast(list(texts))
        ]

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


def checked_texts(texts: Iterable[str], *, max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES) -> list[str]:
    """Collect ``texts`` and refuse what no tokenizer can read; empty strings are legal texts.

    Raises:
        InvalidTextError: an item is no str, holds a lone surrogate, or is longer than ``max_text_bytes``
            in UTF-8; the error tells its index.
    """
    checked = []
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidTextError(index, f"expected a str, found {type(text).__name__}")
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            code = f"U+{ord(text[error.start]):04X}"
            problem = f"lone surrogate {code} at character {error.start}; it is not valid Unicode"
            raise InvalidTextError(index, problem) from error
        if size > max_text_bytes:
            raise InvalidTextError(index, f"has {size} bytes in UTF-8, the limit is {max_text_bytes} (max_text_bytes)")
        checked.append(text)
    return checked
