"""tokenizer -> the reason why it cannot read every text: its parts are looked at, and odd texts are tried."""

import json
from collections.abc import Iterator
from typing import Any

from tokenizers import Encoding
from tokenizers import Tokenizer as HfTokenizer

from mtl_runtime.errors import TokenizerError
from mtl_runtime.text.tokenizer_failure import describe_failure, is_tokenizer_failure

# ruff: noqa: RUF001 - characters that look like others are meant

__all__ = ["check_parts", "check_probes", "flatten_parts", "part_content"]

# WordPiece takes the square of a word's length: words of 1,000 characters make 64 KiB of text take 4 s. Published
# tokenizers have 100.
_LONGEST_WORD = 1_000

_PROBES = (
    "",
    "a",
    " ",
    "\n\t\r \u00a0",
    "The 2 soups, isn't it?",
    "Zürich ﬁn ½ É e\u0301 ПРИВЕТ ёж ΑΘΗΝΑ ς Հայ ქართ שלום مَرحبا नमस्ते สวัสดี ကမ္ဘာ ខ្មែរ བོད ᐃᓄ አማ ᠮᠣ",
    "中文 〇 かな カタカナ ｶﾞ か\u3099 한국어 \u1112\u1161\u11ab 𠮷 ﷺ ㌀ Ⅷ ℃",
    "😀 👍🏽 👩\u200d👩\u200d👧 🇩🇪 ❤\ufe0f 1\ufe0f\u20e3",
    "\x00\x07\x1b[31m\x7f\x85 \u200b\u200d\u2060\ufeff\u202e\u2028 \ufffd\ue000\U000f0000\U0010ffff",
    "a" * 300,
    "9" * 300,
    "!" * 300,
    "\U000f0000" * 120,
    "e" + "\u0301" * 120,
)
_SPECIAL_TOKENS = 64  # of them in a probe; some vocabularies reserve hundreds
_SHOWN_CHARACTERS = 20


def check_parts(tokenizer: HfTokenizer) -> None:
    """Look at what a tokenizer consists of, without giving it a text.

    Raises:
        TokenizerError: it has no vocabulary, reads a long word too slowly, or its template cannot be filled in.
    """
    if not tokenizer.get_vocab_size():
        raise TokenizerError("has an empty vocabulary")
    longest = getattr(tokenizer.model, "max_input_chars_per_word", 0)
    if longest > _LONGEST_WORD:
        raise TokenizerError(f"reads words of up to {longest:,} characters, and {_LONGEST_WORD:,} is the limit")
    for part in flatten_parts(part_content(tokenizer.post_processor), "processors"):
        if part["type"] == "TemplateProcessing":
            _check_template(part)


def _check_template(template: dict[str, Any]) -> None:
    places = [next(iter(piece.items())) for piece in template["single"]]
    texts = [place["id"] for kind, place in places if kind == "Sequence"]
    if texts != ["A"]:
        raise TokenizerError(
            f"has a template for a single text that takes {' and '.join(texts) or 'no text'} in place of A, the text"
        )
    for kind, place in places:
        if kind == "SpecialToken" and place["id"] not in template["special_tokens"]:
            raise TokenizerError(f"has a template with the token {place['id']!r}, which it does not define")


def check_probes(tokenizer: HfTokenizer, max_length: int) -> None:
    """Give ``tokenizer``, truncation included, an empty text, all scripts, its special tokens and long words.

    Raises:
        TokenizerError: it fails at one of them, gives more than ``max_length`` tokens, puts around a text what the
            vocabulary calls otherwise, or gives no token of any of them.
    """
    special = [token.content for _, token in sorted(tokenizer.get_added_tokens_decoder().items())]
    reads = False
    for text in (*_PROBES, " ".join(special[:_SPECIAL_TOKENS])):
        encoding = _encode(tokenizer, text)
        for window in (encoding, *encoding.overflowing):
            _check_window(tokenizer, window, text, max_length)
        reads = reads or 0 in encoding.special_tokens_mask
    if not reads:
        raise TokenizerError("gives no token of any text")


def _encode(tokenizer: HfTokenizer, text: str) -> Encoding:
    try:
        return tokenizer.encode(text)
    except BaseException as error:
        if not is_tokenizer_failure(error):
            raise
        raise TokenizerError(f"cannot read {_show(text)}: {describe_failure(error)}") from error


def _check_window(tokenizer: HfTokenizer, window: Encoding, text: str, max_length: int) -> None:
    if len(window) > max_length:
        raise TokenizerError(f"gives {len(window)} tokens of {_show(text)}, truncated at {max_length}")
    if len(window.tokens) != len(window.ids):
        raise TokenizerError(
            f"has a template in which a token has {len(window.ids)} ids and {len(window.tokens)} names"
        )
    for token, index, is_special in zip(window.tokens, window.ids, window.special_tokens_mask, strict=True):
        if is_special and tokenizer.token_to_id(token) != index:
            known = tokenizer.token_to_id(token)
            problem = "has no such token" if known is None else f"has it as {known}"
            raise TokenizerError(f"puts {token!r} with the id {index} around a text, and its vocabulary {problem}")


def _show(text: str) -> str:
    shown = ascii(text[:_SHOWN_CHARACTERS])
    return f"{shown}..." if len(text) > _SHOWN_CHARACTERS else shown


def part_content(part: Any) -> dict[str, Any] | None:
    """What tokenizer.json says of a normalizer, pre-tokenizer or post-processor; None if there is none."""
    if part is None:
        return None
    content: dict[str, Any] = json.loads(part.__getstate__())  # as pickle would store it
    return content


def flatten_parts(part: dict[str, Any] | None, key: str) -> Iterator[dict[str, Any]]:
    """The parts in a sequence of parts, whose list has the name ``key``, in their order."""
    if part is not None and part["type"] == "Sequence":
        for inner in part[key]:
            yield from flatten_parts(inner, key)
    elif part is not None:
        yield part
