"""tokenizer + what the graph takes -> the reason why its token ids do not fit the graph."""

import re

from mtl_runtime.errors import TokenizerError
from mtl_runtime.text.tokenizer import Tokenizer

__all__ = ["check_token_ids"]


def check_token_ids(tokenizer: Tokenizer, data: bytes, *, vocab_size: int | None, token_types: bool) -> None:
    """Compare the largest id that ``tokenizer`` can give with the rows of the encoder's embedding table.

    onnxruntime fails at an id beyond the table only when a text has it, and on some providers reads zeros instead.

    Args:
        tokenizer: whose special tokens are in its vocabulary, as :meth:`Tokenizer.from_bytes` checks.
        data: the tokenizer.json that it was made of. Listing a vocabulary takes ten times as long as searching that.
        vocab_size: rows of the table; None: not known.
        token_types: whether the graph takes token types.

    Raises:
        TokenizerError: they do not fit.
    """
    if vocab_size is not None and _may_have_id(tokenizer, data, vocab_size):
        largest = tokenizer.vocabulary_size - 1
        if largest >= vocab_size:
            raise TokenizerError(
                f"has a token with the id {largest:,}, and the encoder's embedding table has {vocab_size:,} rows"
            )
    if not token_types and any(any(text.type_ids) for text in tokenizer.encode(["a sentence", ""])):
        raise TokenizerError("marks tokens with a type other than 0, and the graph takes no types")


def _may_have_id(tokenizer: Tokenizer, data: bytes, least: int) -> bool:
    """Whether there are more tokens than ``least``, or ``data`` holds a number that large after a colon."""
    return tokenizer.token_count > least or re.search(rb":\s*" + _at_least(least), data) is not None


def _at_least(number: int) -> bytes:
    """A regular expression for the whole numbers from ``number`` on."""
    digits = str(number)
    ways = [f"[0-9]{{{len(digits) + 1},}}", digits]
    for place, digit in enumerate(digits):
        if digit != "9":
            ways.append(f"{digits[:place]}[{int(digit) + 1}-9][0-9]{{{len(digits) - place - 1}}}")
    return f"(?:{'|'.join(ways)})".encode()
