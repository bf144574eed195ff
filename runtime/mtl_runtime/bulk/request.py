"""what is asked of a table of texts, and what became of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from mtl_runtime.bulk.row_predictions import PredictionColumns
from mtl_runtime.errors import TableError
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.tables.row_chunks import ChunkLimits, RowChunk
from mtl_runtime.tables.table import TableFormat

__all__ = ["BadRows", "OnBadRow", "PredictJob", "Progress", "Summary", "accepted_rows"]

OnBadRow = Literal["error", "skip"]
# Called with the rows done so far, good and bad, and the share of the input that they are (None: not known).
Progress = Callable[[int, float | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictJob:
    """One table's way through the classifier."""

    classifier: Classifier
    questions: PredictionColumns
    input_format: TableFormat
    output_format: TableFormat
    on_bad_row: OnBadRow
    rejects: Path | None  # where bad rows go
    overwrite: bool
    cut: ChunkLimits
    progress: Progress

    @property
    def refuses_bad_rows(self) -> bool:
        """Whether a bad row is an error."""
        return self.on_bad_row == "error" and self.rejects is None


def accepted_rows(request: PredictJob, chunks: Iterable[RowChunk]) -> Iterator[RowChunk]:
    """The chunks, up to one with a bad row where that is an error.

    Raises:
        TableError: while iterating, that error.
    """
    for chunk in chunks:
        if chunk.bad and request.refuses_bad_rows:
            raise chunk.bad[0].error
        yield chunk


@dataclass(slots=True)
class BadRows:
    """Rows left out: how many, and the first errors."""

    KEPT: ClassVar[int] = 20

    count: int = 0
    first: list[TableError] = field(default_factory=list)

    def add(self, error: TableError) -> None:
        self.count += 1
        if len(self.first) < self.KEPT:
            self.first.append(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a table: each row was written or is among the bad ones."""

    rows: int
    truncated: int  # written rows whose text was longer than the encoder reads
    bad_rows: BadRows
