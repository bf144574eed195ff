"""texts -> token ids: the one tokenizer wrapper, used by training, gate and runtime alike."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from tokenizers import Encoding
from tokenizers import Tokenizer as HfTokenizer

from mtl_runtime.core.fork_hooks import is_forked_child
from mtl_runtime.core.silent_thread import run_silently
from mtl_runtime.errors import InvalidTextError, TokenizerError
from mtl_runtime.text.tokenizer_checks import check_parts, check_probes
from mtl_runtime.text.tokenizer_cost import check_growth, check_time
from mtl_runtime.text.tokenizer_failure import describe_failure, is_tokenizer_failure
from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES

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

    Padding and truncation set in tokenizer.json are ignored: some published files pad every text to 128 tokens. So is
    the dropout of a BPE model, which gives a text other tokens each time. Threads may share a tokenizer.
    """

    _tokenizer: HfTokenizer
    max_length: int
    overlap: int | None  # tokens that two windows of a long text share; None: a long text is truncated

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        max_length: int,
        overlap: int | None = None,
        max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
    ) -> Self:
        """Build from the bytes of a tokenizer.json, and try it on a few odd texts.

        Args:
            data: those bytes.
            max_length: tokens that the encoder reads, special ones included.
            overlap: split a longer text into windows, each of which starts this many tokens before the end of the
                previous one; default: truncate it.
            max_text_bytes: longest text that it must read in a bearable time.

        Raises:
            TokenizerError: the bytes are not a tokenizer, or one that cannot read every text.
        """
        tokenizer = run_silently(partial(_parse, data)) if _may_panic(data) else _parse(data)
        shared = run_silently(partial(_prepare, tokenizer, max_length, overlap, max_text_bytes))
        return cls(tokenizer, max_length, shared)

    def encode(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokenize ``texts`` (already checked by :func:`mtl_runtime.text.validation.validate_texts`), in order.

        Raises:
            InvalidTextError: the library fails at a text; the error has its index.
        """
        # A single text needs none of the library's threads; in a forked child they do not exist, but would be awaited.
        if len(texts) > 1 and not is_forked_child():
            try:
                return [self._read(encoding) for encoding in self._tokenizer.encode_batch_fast(list(texts))]
            except BaseException as error:
                if not is_tokenizer_failure(error):
                    raise
                # It does not say which text it was: the loop below finds that out.
        return [self._read(self._encode_one(text, index)) for index, text in enumerate(texts)]

    def encode_with_spans(self, text: str) -> tuple[TokenizedText, list[Sequence[Span]]]:
        """Tokenize one text; also return, for each of its windows, the characters that each token stands for.

        A span is ``(start, end)`` in the text's characters; ``(0, 0)`` for a special token.
        """
        encoding = self._encode_one(text, 0)
        windows = [encoding] if self.overlap is None else [encoding, *encoding.overflowing]
        return self._read(encoding), [_token_spans(window) for window in windows]

    def _encode_one(self, text: str, index: int) -> Encoding:
        try:
            return self._tokenizer.encode(text)
        except BaseException as error:
            if not is_tokenizer_failure(error):
                raise
            raise InvalidTextError(
                index,
                f"tokenizer.json cannot read it ({describe_failure(error)}); leave the text out, or export the bundle "
                f"again with another tokenizer",
            ) from error

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
    def token_count(self) -> int:
        """Number of tokens, added ones included; ids may have gaps, so that some are larger."""
        return self._tokenizer.get_vocab_size()

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, added ones included: one more than the largest id."""
        return max(self._tokenizer.get_vocab().values()) + 1


def _may_panic(data: bytes) -> bool:
    """Whether parsing may panic: of all parts tried, only a Precompiled map does, whose name an escape may spell.

    Other files are parsed in the caller's thread, since a new one has memory of its own, which is slower to fill.
    """
    return b"Precompiled" in data or b"\\u00" in data


def _prepare(tokenizer: HfTokenizer, max_length: int, overlap: int | None, max_text_bytes: int) -> int | None:
    """Set the options of ``tokenizer``, try it, and return how many tokens its windows share."""
    tokenizer.no_padding()
    if getattr(tokenizer.model, "dropout", None):
        tokenizer.model.dropout = None
    check_parts(tokenizer)
    special = tokenizer.num_special_tokens_to_add(False)
    if max_length <= special:
        raise TokenizerError(
            f"adds {special} special tokens, so that {max_length} tokens leave no room for a text",
            advice="raise max_length, and export again",
        )
    # Each window has a new token.
    shared = None if overlap is None else min(overlap, max_length - special - 1)
    tokenizer.enable_truncation(max_length, stride=shared or 0)
    check_growth(tokenizer)  # first, as the other checks give it longer texts
    check_time(tokenizer, max_text_bytes)
    check_probes(tokenizer, max_length)
    return shared


def _parse(data: bytes) -> HfTokenizer:
    try:
        return HfTokenizer.from_str(data.decode("utf-8"))
    except BaseException as error:
        if not is_tokenizer_failure(error) and not isinstance(error, UnicodeDecodeError):
            raise
        raise TokenizerError(f"cannot be read: {describe_failure(error)}") from error


def _token_spans(encoding: Encoding) -> list[Span]:
    pairs = zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
    return [(0, 0) if is_special else span for span, is_special in pairs]
