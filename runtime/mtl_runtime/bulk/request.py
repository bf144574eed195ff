"""A job that predicts a table, and the summary of what became of its rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal

from mtl_runtime.bulk.row_predictions import PredictionColumns
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.errors import TableError
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.tables.bad_rows import describe_bad_rows
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.row_chunks import ChunkLimits, RowChunk
from mtl_runtime.tables.table import Table, TableFormat, TableRange
from mtl_runtime.tables.text_column import choose_text_column, text_candidates
from mtl_runtime.tables.writers import check_rows

__all__ = [
    "BadRows",
    "OnBadRow",
    "PredictJob",
    "Progress",
    "Summary",
    "advise",
    "check_first_rows",
    "stop_at_bad_row",
]

OnBadRow = Literal["error", "skip"]
# Called with the number of rows processed so far, good and bad, and their share of the input (None: unknown).
Progress = Callable[[int, float | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictJob:
    """How one table is predicted."""

    classifier: Classifier
    tasks: Sequence[TaskSpec]
    text_column: str | None  # None: as in training, where the table has such a column
    probabilities: bool  # of every label
    prefix: str  # of the names of the answers' columns
    input_format: TableFormat
    output_format: TableFormat
    on_bad_row: OnBadRow
    rejects: Path | None  # where bad rows go
    overwrite: bool
    limits: ChunkLimits
    max_row_bytes: int
    progress: Progress

    @property
    def text_candidates(self) -> Sequence[str]:
        """The columns that may hold the texts."""
        return text_candidates(trained=self.classifier.source.text_columns, asked=self.text_column)

    def open_table(
        self, path: Path, stream: BinaryIO | None = None, *, range: TableRange | None = None
    ) -> AbstractContextManager[Table]:
        """Open the job's input, as :func:`mtl_runtime.tables.readers.open_table` does."""
        return open_table(
            path,
            format=self.input_format,
            stream=stream,
            columns=self.text_candidates,
            max_row_bytes=self.max_row_bytes,
            range=range,
        )

    def columns_of(self, table: Table) -> PredictionColumns:
        """The columns that the job reads from ``table`` and adds to it; nothing is checked."""
        return PredictionColumns(
            tasks=self.tasks,
            text_column=choose_text_column(table.columns, self.text_candidates),
            probabilities=self.probabilities,
            prefix=self.prefix,
        )

    @property
    def refuses_bad_rows(self) -> bool:
        """Whether a bad row is an error."""
        return self.on_bad_row == "error" and self.rejects is None


def check_first_rows(
    job: PredictJob, table: Table, added: Mapping[str, type], chunks: Iterable[RowChunk]
) -> Iterator[RowChunk]:
    """Yield the chunks, of which the first with rows is checked for what the output's format cannot hold.

    Raises:
        TableError: while iterating, before that chunk: it has such a row.
    """
    rest = iter(chunks)
    for chunk in rest:
        check_rows(chunk.rows, job.output_format, source=table, added=added)
        yield chunk
        if chunk.rows:
            break
    yield from rest


_MOST_COUNTED = 2**20  # rows that are read to count the bad ones among them
_WAY_OUT = "--on-bad-row skip, or --rejects FILE,"


def stop_at_bad_row(job: PredictJob, chunks: Iterable[RowChunk], *, is_file: bool) -> Iterator[RowChunk]:
    """Yield the chunks, until one has a bad row and that is an error.

    Args:
        job: whether a bad row is an error.
        chunks: of a table.
        is_file: whether the chunks after a bad row may be read, to count the bad rows; a stream may have no end.

    Raises:
        TableError: while iterating, that error.
    """
    rest = iter(chunks)
    for chunk in rest:
        if chunk.bad and job.refuses_bad_rows:
            more, complete = _count_more(chunk, rest if is_file else iter(()))
            raise advise(chunk.bad[0].error, more, complete=complete and is_file)
        yield chunk


def advise(error: TableError, more: int, *, complete: bool = True) -> TableError:
    """Add to the error about the first bad row how many more there are, and the options that leave them out."""
    return error.with_advice(describe_bad_rows(more, complete=complete, way_out=_WAY_OUT))


def _count_more(chunk: RowChunk, rest: Iterator[RowChunk]) -> tuple[int, bool]:
    """Count the bad rows after the first one of ``chunk``; also whether all of the rest was read."""
    more, records = len(chunk.bad) - 1, 0
    for following in rest:
        if records >= _MOST_COUNTED:
            return more, False
        more += len(following.bad)
        records += following.records
    return more, True


@dataclass(slots=True)
class BadRows:
    """The number of skipped rows, and the errors of the first ones."""

    MAX_ERRORS: ClassVar[int] = 20

    count: int = 0
    first: list[TableError] = field(default_factory=list)

    def add(self, error: TableError) -> None:
        self.count += 1
        if len(self.first) < self.MAX_ERRORS:
            self.first.append(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a table: each row was written or is one of the bad rows."""

    rows: int
    truncated: int | None  # written rows whose text was longer than the encoder reads; None: an earlier run knew
    bad_rows: BadRows
    finished_before: bool = False  # all of this is the work of earlier runs
