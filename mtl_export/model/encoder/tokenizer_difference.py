"""the runtime's tokenizer + AutoTokenizer's -> the first text that they read differently."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tokenizers import Tokenizer as HfTokenizer

from mtl_export.model.encoder.tokenizer_texts import make_comparison_texts
from mtl_runtime.text.tokenizer import TokenizedText, Tokenizer
from mtl_runtime.wording import shorten

__all__ = ["TokenizerDifference", "find_difference"]

_SHOWN_CHARACTERS, _SHOWN_TOKENS = 40, 8


@dataclass(frozen=True, slots=True)
class TokenizerDifference:
    """A text, and how two tokenizers read it."""

    text: str
    ours: tuple[str, ...]  # tokens
    reference: tuple[str, ...]

    def describe(self, ours: str, reference: str) -> str:
        """One clause that names the two tokenizers, the text and what they make of it."""
        text = shorten(self.text, _SHOWN_CHARACTERS)
        return f"{ours} reads {text!r} as {_join(self.ours)}, {reference} as {_join(self.reference)}"


def find_difference(tokenizer: Tokenizer, reference: Any, *, embeddings: int) -> TokenizerDifference | None:
    """Compare ids and token types, truncation included; None where both are the same on every text.

    A text of which ``reference`` makes an id that the encoder does not embed is left out: no encoder could read it.

    Args:
        tokenizer: as the runtime runs it.
        reference: of transformers; its truncation side must be "right".
        embeddings: number of token ids that the encoder embeds.

    Returns:
        the shortest text that differs, which is the easiest to understand.

    Raises:
        ValueError: ``reference`` fails, or gives ids that the encoder does not embed for every text.
    """
    backend = HfTokenizer.from_str(tokenizer.to_json().decode())
    vocabulary = sorted(backend.get_vocab(), key=backend.get_vocab().__getitem__)
    added = [token.content for _, token in sorted(backend.get_added_tokens_decoder().items())]
    texts = make_comparison_texts(vocabulary, list(dict.fromkeys([*reference.all_special_tokens, *added])))
    try:
        expected = reference(texts, truncation=True, max_length=tokenizer.max_length)
    except Exception as error:  # a tokenizer in Python raises whatever a strange text makes it raise
        raise ValueError(f"it cannot read every text: {error}") from error
    comparable = [index for index, ids in enumerate(expected["input_ids"]) if max(ids, default=0) < embeddings]
    if not comparable:
        raise ValueError("it gives ids that the encoder does not embed")
    ours = tokenizer.encode(texts)
    types = expected.get("token_type_ids")
    different = [
        index
        for index in comparable
        if list(ours[index].ids) != list(expected["input_ids"][index])
        or (types is not None and list(ours[index].type_ids) != list(types[index]))
    ]
    if not different:
        return None
    index = min(different, key=lambda index: len(texts[index]))
    return _difference(texts[index], ours[index], expected["input_ids"][index], backend, reference)


def _difference(
    text: str, ours: TokenizedText, expected: Sequence[int], backend: HfTokenizer, reference: Any
) -> TokenizerDifference:
    """Tokens are shown, or ids where the tokens are the same."""
    tokens = tuple(backend.id_to_token(index) or str(index) for index in ours.ids)
    other = tuple(map(str, reference.convert_ids_to_tokens(list(expected))))
    if tokens == other:
        tokens, other = tuple(map(str, ours.ids)), tuple(map(str, expected))
    return TokenizerDifference(text, tokens, other)


def _join(tokens: Iterable[str]) -> str:
    shown = list(islice(tokens, _SHOWN_TOKENS + 1))
    return " ".join(shown if len(shown) <= _SHOWN_TOKENS else [*shown[:_SHOWN_TOKENS], "..."]) or "nothing"
