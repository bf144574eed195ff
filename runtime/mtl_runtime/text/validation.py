"""texts as they are handed in -> texts that a tokenizer can read; and the words for what becomes of long ones."""

from collections.abc import Iterable
from typing import Literal, get_args

from mtl_runtime.errors import InvalidTextError

__all__ = ["AGGREGATES", "DEFAULT_MAX_TEXT_BYTES", "LONG_TEXT", "Aggregate", "LongText", "validate_texts"]

# truncate: the encoder reads the beginning. error: such a text is refused. windows: it reads the text piece by
# piece, each piece beginning before the last one's end, and the pieces' answers are aggregated.
LongText = Literal["truncate", "error", "windows"]
LONG_TEXT: tuple[LongText, ...] = get_args(LongText)
Aggregate = Literal["mean", "max", "first"]
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)

# Tokenizing costs time and memory in proportion to the text even where it is truncated afterwards
# (10 MB of text: over 12 s and 1.2 GB), so the bytes are bounded before.
DEFAULT_MAX_TEXT_BYTES = 64 * 1024


def validate_texts(texts: Iterable[str], *, max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES) -> list[str]:
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
