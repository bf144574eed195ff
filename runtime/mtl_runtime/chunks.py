"""texts of a call -> chunks of distinct texts, and each text's place among them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self, TypeVar

from mtl_runtime.errors import NonFiniteError

__all__ = ["Chunk", "cut"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Texts that are tokenized and cut into batches together."""

    texts: Sequence[str]
    places: Sequence[int]  # of each text: where the caller gave it (first)

    @classmethod
    def distinct(cls, texts: Sequence[str], *, first: int = 0) -> tuple[Self, Sequence[int]]:
        """A chunk in which each text occurs once, and for each of ``texts`` its index in that chunk.

        Args:
            texts: as the caller gave them.
            first: place of the first one.
        """
        known: dict[str, int] = {}
        indices = [known.setdefault(text, len(known)) for text in texts]
        if len(known) == len(texts):
            return cls(texts, range(first, first + len(texts))), indices
        places = [0] * len(known)
        for place in range(len(texts) - 1, -1, -1):
            places[indices[place]] = first + place
        return cls(list(known), places), indices

    def placed(self, error: NonFiniteError) -> NonFiniteError:
        """An error about a row of the chunk, as one about the text that the caller knows."""
        return error.at(self.places[error.index])

    def cut(self, size: int) -> Iterator[Self]:
        """The same in chunks of at most ``size`` texts."""
        for start in range(0, len(self.texts), size):
            yield type(self)(self.texts[start : start + size], self.places[start : start + size])


def cut(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one shorter; an item is taken when its list is asked for."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
