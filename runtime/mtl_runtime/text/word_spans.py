"""a text and the characters of its tokens -> the parts of the text that a reader sees as one."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from mtl_runtime.text.tokenizer import Span

__all__ = ["GRANULARITIES", "Granularity", "WordSpan", "word_spans"]

Granularity = Literal["word", "token"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)

# Scripts without spaces between words: there a word is what the tokenizer takes for one token.
_WITHOUT_SPACES = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")
_APOSTROPHES = "'\u2019"
_JOINER = "\u200d"
_MODIFIERS = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"  # skin tones of the emoji before them


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A word or token of a text."""

    start: int  # characters of the text, white space around the part left out
    end: int
    tokens: Sequence[tuple[int, int]]  # of each token: its window, and its place there


def word_spans(text: str, spans: Sequence[Sequence[Span]], *, by: Granularity) -> list[WordSpan]:
    """The parts of ``text``, in its order; they do not overlap.

    Args:
        text: the whole text.
        spans: which characters each token of each window stands for, as ``Tokenizer.encode_with_spans`` tells it. A
            token that stands for none, such as a special one, is in no part.
        by: ``token``: tokens that stand for bytes of the same character are one part. ``word``: so are tokens
            between which a word goes on; punctuation is a part of its own, and so is each token of a script that
            puts no spaces between words.
    """
    places: dict[Span, list[tuple[int, int]]] = {}
    for window, row in enumerate(spans):
        for index, (start, end) in enumerate(row):
            if start < end:
                places.setdefault((start, end), []).append((window, index))
    groups: list[list[Span]] = []
    reached = 0
    for start, end in sorted(places):
        if groups and (start < reached or (by == "word" and _goes_on(text, groups[-1][0][0], reached, start))):
            groups[-1].append((start, end))
        else:
            groups.append([(start, end)])
        reached = max(reached, end)
    return [_part(text, group, [place for span in group for place in places[span]]) for group in groups]


def _part(text: str, spans: Sequence[Span], tokens: Sequence[tuple[int, int]]) -> WordSpan:
    start, end = spans[0][0], max(end for _, end in spans)
    inner = text[start:end].strip()
    if inner:
        start += text[start:end].index(inner)
        end = start + len(inner)
    return WordSpan(start, end, tokens)


def _goes_on(text: str, start: int, end: int, following: int) -> bool:
    """Whether the word from ``start`` to ``end`` goes on with the token that begins at ``following``."""
    if end == following:
        # A tokenizer that writes spaces as tokens means them to begin the next word.
        if text[start:end].isspace() or _JOINER in (text[end - 1], text[following]):
            return True
        if unicodedata.category(text[following])[0] == "M" or text[following] in _MODIFIERS:
            return True
    # What lies between two tokens may be an accent that the tokenizer drops.
    return all(_in_word(text, at) for at in range(end - 1, following + 1))


def _in_word(text: str, at: int) -> bool:
    if text[at] in _APOSTROPHES:
        return 0 < at < len(text) - 1 and _is_letter(text[at - 1]) and _is_letter(text[at + 1])
    return _is_letter(text[at])


def _is_letter(character: str) -> bool:
    letter = character == "_" or unicodedata.category(character)[0] in "LMN"
    return letter and not unicodedata.name(character, "").startswith(_WITHOUT_SPACES)
