"""texts of a call -> chunks of distinct texts, and the place of each text among them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from mtl_runtime.errors import InvalidTextError, NonFiniteError

__all__ = ["CHUNK_CHARACTERS", "TextChunk", "chunk_texts"]

# What a tokenizer keeps of a text grows with its characters, even where the text is truncated: 6 MB for 64 KB.
CHUNK_CHARACTERS = 2**20

_TextError = TypeVar("_TextError", InvalidTextError, NonFiniteError)


@dataclass(frozen=True, slots=True)
class TextChunk:
    """Texts that are tokenized and cut into batches together."""

    texts: Sequence[str]
    places: Sequence[int]  # of each text: its index in the caller's texts (of several equal ones, the first)

    @classmethod
    def distinct(cls, texts: Sequence[str], *, first: int = 0) -> tuple[Self, Sequence[int]]:
        """A chunk in which each text occurs once, and for each of ``texts`` its index in that chunk.

        Args:
            texts: as the caller passed them.
            first: index of the first of them in the caller's texts.
        """
        known: dict[str, int] = {}
        indices = [known.setdefault(text, len(known)) for text in texts]
        if len(known) == len(texts):
            return cls(texts, range(first, first + len(texts))), indices
        places = [0] * len(known)
        for place in range(len(texts) - 1, -1, -1):
            places[indices[place]] = first + place
        return cls(list(known), places), indices

    def locate_error(self, error: _TextError) -> _TextError:
        """Turn an error about a text or row of the chunk into one about the caller's text."""
        return error.at(self.places[error.index])

    def cut(self, size: int) -> Iterator[Self]:
        """Split into smaller chunks, as :func:`chunk_texts` does."""
        start = 0
        for texts in chunk_texts(self.texts, size):
            yield type(self)(texts, self.places[start : start + len(texts)])
            start += len(texts)


def chunk_texts(texts: Iterable[Any], size: int) -> Iterator[list[str]]:
    """Split ``texts`` into lists of ``size``, or of fewer once they have CHUNK_CHARACTERS characters.

    A text is read when its list is requested. Items that are not str pass through; validation rejects them later.
    """
    chunk: list[str] = []
    characters = 0
    for text in texts:
        chunk.append(text)
        characters += str.__len__(text) if isinstance(text, str) else 0
        if len(chunk) == size or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
