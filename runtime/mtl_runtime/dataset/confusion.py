"""true and predicted labels of single_label rows -> Confusion: how often each pair occurs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.errors import RecordError

__all__ = ["ConfusedPair", "Confusion"]


class ConfusedPair(NamedTuple):
    """A true label and an answer, by their indices, and the number of rows that have both."""

    true: int
    predicted: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Rows by true label and predicted label; pairs that no row has are left out.

    With 1,200 labels a matrix of all pairs has 1.4 million cells, of which the validation rows fill a few thousand.
    """

    size: int  # labels
    true: tuple[int, ...]  # indices of labels, in ascending order of the pairs
    predicted: tuple[int, ...]
    counts: tuple[int, ...]  # of rows, none of them 0

    def __post_init__(self) -> None:
        if not len(self.true) == len(self.predicted) == len(self.counts):
            raise RecordError("counts", "true, predicted and counts must have the same length")
        if not all(0 <= index < self.size for index in (*self.true, *self.predicted)):
            raise RecordError("size", f"an index is not one of {self.size} labels")

    @classmethod
    def count(cls, true: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], size: int) -> Self:
        """Count the pairs of N rows, both int (N,)."""
        pairs, counts = np.unique(true.astype(np.int64) * size + predicted, return_counts=True)
        rows, columns = np.divmod(pairs, size)
        return cls(
            size=size,
            true=tuple(rows.tolist()),
            predicted=tuple(columns.tolist()),
            counts=tuple(counts.tolist()),
        )

    @classmethod
    def from_matrix(cls, matrix: Sequence[Sequence[int]]) -> Self:
        """Keep the cells that are not 0 of a matrix with a row for each true label and a column for each answer."""
        pairs = [
            ConfusedPair(row, column, count)
            for row, counts in enumerate(matrix)
            for column, count in enumerate(counts)
            if count
        ]
        return cls(
            size=len(matrix),
            true=tuple(pair.true for pair in pairs),
            predicted=tuple(pair.predicted for pair in pairs),
            counts=tuple(pair.rows for pair in pairs),
        )

    @property
    def pairs(self) -> Iterator[ConfusedPair]:
        """The pairs that occur, right answers included."""
        return map(ConfusedPair, self.true, self.predicted, self.counts)

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.counts)

    @property
    def rows_by_label(self) -> list[int]:
        """Rows by true label."""
        rows = [0] * self.size
        for pair in self.pairs:
            rows[pair.true] += pair.rows
        return rows

    def to_matrix(self) -> NDArray[np.int64]:
        """All counts, (size, size): true labels down, answers across."""
        matrix = np.zeros((self.size, self.size), dtype=np.int64)
        matrix[list(self.true), list(self.predicted)] = self.counts
        return matrix

    def most_confused(self) -> list[ConfusedPair]:
        """The wrong answers, the most frequent first."""
        wrong = (pair for pair in self.pairs if pair.true != pair.predicted)
        return sorted(wrong, key=lambda pair: (-pair.rows, pair.true, pair.predicted))
