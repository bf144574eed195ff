"""a text and its tokens' spans -> the words of the text as a reader sees them, or its tokens."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from mtl_runtime.text.tokenizer import Span

__all__ = ["GRANULARITIES", "Granularity", "WordSpan", "word_spans"]

Granularity = Literal["word", "token"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)

# Scripts without spaces between words: there each token counts as a word.
_WITHOUT_SPACES = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")
_APOSTROPHES = "'\u2019"
_JOINER = "\u200d"
_MODIFIERS = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"  # skin tones of the emoji before them


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A word or token of a text."""

    start: int  # in characters of the text, without the white space around the word
    end: int
    tokens: Sequence[tuple[int, int]]  # of each token: its window, and its place there


def word_spans(text: str, spans: Sequence[Sequence[Span]], *, by: Granularity) -> list[WordSpan]:
    """Split ``text`` into words or tokens, in its order and without overlaps.

    Args:
        text: the whole text.
        spans: the characters that each token of each window stands for, from ``Tokenizer.encode_with_spans``. A token
            that stands for none, such as a special token, belongs to no word.
        by: ``token`` joins only tokens that stand for bytes of the same character. ``word`` also joins tokens within a
            word; punctuation stays separate, and so does each token of a script without spaces between words.
    """
    places: dict[Span, list[tuple[int, int]]] = {}
    for window, row in enumerate(spans):
        for index, (start, end) in enumerate(row):
            if start < end:
                places.setdefault((start, end), []).append((window, index))
    groups: list[list[Span]] = []
    end_so_far = 0
    for start, end in sorted(places):
        if groups and (
            start < end_so_far or (by == "word" and _is_one_word(text, groups[-1][0][0], end_so_far, start))
        ):
            groups[-1].append((start, end))
        else:
            groups.append([(start, end)])
        end_so_far = max(end_so_far, end)
    return [_to_word_span(text, group, [place for span in group for place in places[span]]) for group in groups]


def _to_word_span(text: str, spans: Sequence[Span], tokens: Sequence[tuple[int, int]]) -> WordSpan:
    start, end = spans[0][0], max(end for _, end in spans)
    inner = text[start:end].strip()
    if inner:
        start += text[start:end].index(inner)
        end = start + len(inner)
    return WordSpan(start, end, tokens)


def _is_one_word(text: str, start: int, end: int, next_start: int) -> bool:
    """Whether the token that starts at ``next_start`` continues the word from ``start`` to ``end``."""
    if end == next_start:
        # In a tokenizer that makes tokens of spaces, a space starts the next word.
        if text[start:end].isspace() or _JOINER in (text[end - 1], text[next_start]):
            return True
        if unicodedata.category(text[next_start])[0] == "M" or text[next_start] in _MODIFIERS:
            return True
    # What lies between two tokens may be an accent that the tokenizer drops.
    return all(_is_word_character(text, at) for at in range(end - 1, next_start + 1))


def _is_word_character(text: str, at: int) -> bool:
    if text[at] in _APOSTROPHES:
        return 0 < at < len(text) - 1 and _is_letter(text[at - 1]) and _is_letter(text[at + 1])
    return _is_letter(text[at])


def _is_letter(character: str) -> bool:
    letter = character == "_" or unicodedata.category(character)[0] in "LMN"
    return letter and not unicodedata.name(character, "").startswith(_WITHOUT_SPACES)
