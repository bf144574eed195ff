"""a caller's texts -> texts that a tokenizer can read; also the options for long texts."""

from collections.abc import Iterable
from typing import Literal, get_args

from mtl_runtime.errors import InvalidTextError
from mtl_runtime.wording import shorten

__all__ = ["AGGREGATES", "DEFAULT_MAX_TEXT_BYTES", "LONG_TEXT", "Aggregate", "LongText", "cut_text", "validate_texts"]

# truncate: the encoder reads only the beginning. error: such a text is refused. windows: the encoder reads the text
# in windows, each of which starts before the end of the previous one, and the windows' answers are aggregated.
LongText = Literal["truncate", "error", "windows"]
LONG_TEXT: tuple[LongText, ...] = get_args(LongText)
Aggregate = Literal["mean", "max", "first"]
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)

# Tokenizing costs time and memory in proportion to the text even where it is truncated afterwards
# (10 MB of text: over 12 s and 1.2 GB), so the bytes are limited first.
DEFAULT_MAX_TEXT_BYTES = 64 * 1024


def validate_texts(texts: Iterable[str], *, max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES) -> list[str]:
    """Collect ``texts`` as plain strs and refuse what no tokenizer can read; an empty str is a legal text.

    Raises:
        InvalidTextError: an item is not a str, contains a lone surrogate, or is longer than ``max_text_bytes``
            in UTF-8; the error holds its index.
    """
    checked = []
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidTextError(index, f"expected a str, found {shorten(type(text).__name__, 60)}")
        if type(text) is not str:
            text = str.__str__(text)  # noqa: PLW2901 - the characters, whatever a subclass makes of its methods
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            code = f"U+{ord(text[error.start]):04X}"
            problem = f"lone surrogate {code} at character {error.start}; it is not valid Unicode"
            raise InvalidTextError(index, problem) from error
        if size > max_text_bytes:
            problem = f"has {size} bytes in UTF-8, the limit is {max_text_bytes}; max_text_bytes raises it"
            raise InvalidTextError(index, problem)
        checked.append(text)
    return checked


def cut_text(text: str, max_text_bytes: int) -> str:
    """Keep the beginning of a valid ``text``, at most ``max_text_bytes`` in UTF-8 and no part of a character."""
    if 4 * len(text) <= max_text_bytes:
        return text
    return text.encode()[:max_text_bytes].decode(errors="ignore")
