"""range of rows of a table -> a complete table of the same rows with their answers, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.bulk.request import PredictJob, check_first_rows, stop_at_bad_row
from mtl_runtime.bulk.row_predictions import predict_chunks
from mtl_runtime.tables.row_chunks import chunk_rows, read_ahead
from mtl_runtime.tables.table import TableRange
from mtl_runtime.tables.writers import open_chunked_writer, reject_line

__all__ = ["PartCounts", "predict_part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCounts:
    """What became of the rows of a range."""

    rows: int  # written
    truncated: int  # written rows whose text was longer than the encoder reads
    bad_rows: int


def predict_part(
    job: PredictJob,
    path: Path,
    stream: BinaryIO,
    rows: TableRange | None,
    *,
    output: BinaryIO,
    rejects: BinaryIO,
    empty_piece: bytes = b"",
) -> PartCounts:
    """Write the rows of a range of the file ``stream`` with their answers; the same rows always give the same bytes.

    Args:
        job: how it is predicted.
        path: the file's name in messages.
        stream: the file.
        rows: which of its rows; None: all.
        output: where the table goes.
        rejects: where bad rows go, if they are no error.
        empty_piece: a table without rows, from :func:`mtl_runtime.tables.writers.encode_empty_piece`, which decides the
            schema; else the source or the first rows do.

    Raises:
        TableError, CheckFailedError, MtlError: as :func:`mtl_runtime.bulk.predict_file.predict_file`.
    """
    written = truncated = bad = 0
    max_text_bytes = job.classifier.settings.inputs.max_text_bytes
    with job.open_table(path, stream, range=rows) as table:
        columns = job.columns_of(table)
        columns.check(table)
        all_chunks = chunk_rows(table, column=columns.text_column, max_text_bytes=max_text_bytes, limits=job.limits)

        def pieces() -> Iterator[bytes]:
            nonlocal written, truncated, bad
            with read_ahead(all_chunks) as chunks:
                good = check_first_rows(job, table, columns.added, stop_at_bad_row(job, chunks, is_file=True))
                for result in predict_chunks(job.classifier, columns, table, good):
                    rejects.writelines(map(reject_line, result.chunk.bad))
                    written += len(result.rows)
                    truncated += result.truncated
                    bad += len(result.chunk.bad)
                    yield writer.encode(result.rows)
                    job.progress(written + bad, result.chunk.share)

        earlier = [empty_piece] if empty_piece else []
        with open_chunked_writer(job.output_format, source=table, added=columns.added, earlier=earlier) as writer:
            if writer.join is None:
                output.writelines(pieces())
            else:
                writer.join(pieces(), output)
    return PartCounts(rows=written, truncated=truncated, bad_rows=bad)
