"""table of texts -> the same table with the answers in further columns, in bounded memory."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from os.path import realpath
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.bulk.request import BadRows, OnBadRow, PredictJob, Progress, Summary, check_first_rows, stop_at_bad_row
from mtl_runtime.bulk.resumable import predict_resumable
from mtl_runtime.bulk.row_predictions import answer_columns, predict_chunks
from mtl_runtime.core.atomic_file import atomic_file
from mtl_runtime.errors import MtlError
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.tables.row_chunks import ChunkLimits, chunk_rows
from mtl_runtime.tables.table import BadRow, TableFormat, format_of
from mtl_runtime.tables.text_lines import DEFAULT_MAX_ROW_BYTES
from mtl_runtime.tables.writers import check_writable, open_writer, reject_line

__all__ = ["BadRows", "OnBadRow", "Progress", "Summary", "answer_columns", "predict_file"]

_log = logging.getLogger(__name__)

_DEFAULT_LIMITS = ChunkLimits()


def predict_file(
    classifier: Classifier,
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    *,
    tasks: Iterable[str] | None = None,
    column: str | None = None,
    probabilities: bool = False,
    input_format: TableFormat | None = None,
    output_format: TableFormat | None = None,
    prefix: str = "",
    on_bad_row: OnBadRow = "error",
    rejects: Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    limits: ChunkLimits = _DEFAULT_LIMITS,
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
) -> Summary:
    """Answer ``tasks`` for each row of ``source`` and write the rows with their answers to ``target``.

    A target file is complete or absent. A row is bad if it cannot be read, or if its text is missing, not a str or too
    long; an empty str is a legal text.

    A job from a file to a file keeps its finished chunks in a folder next to the target, where they outlive the
    process; see docs/bulk-files.md.

    Args:
        classifier: an open bundle.
        source: a file, or a binary stream (then ``input_format`` defaults to txt).
        target: a file, or a binary stream.
        tasks: default: all of the bundle's.
        column: the column of ``source`` that holds the texts; default: the one that did in training, if ``source`` has
            it, else "text".
        probabilities: also write the probability of every label.
        prefix: of the names of the answers' columns, in case ``source`` has columns of those names.
        input_format: default: by the suffix of ``source``.
        output_format: default: by the suffix of ``target``; for a stream the input's format, or csv.
        on_bad_row: raise the error of the first bad row, or skip bad rows and count them.
        rejects: file for the bad rows, one line of JSON each, in their order; then they are not errors.
        overwrite: replace an existing ``target`` and ``rejects``, and discard unfinished work on them.
        resume: continue the unfinished work of an earlier process on the same ``target``.
        progress: called at the start and after each chunk of rows.
        limits: where a chunk of rows ends; the texts of a chunk are batched together.
        max_row_bytes: a longer row ends the job, whatever ``on_bad_row`` is: it may have no end.

    Raises:
        TableError: the source is malformed, or one of its columns has the name of an answer's column.
        UnknownTaskError: the bundle has no such task.
        CheckFailedError: the model returned NaN or infinity.
        MtlError: the target exists already, has appeared while the job ran, is a link, or cannot be written; or there
            is unfinished work on it and ``resume`` is not set, or that work belongs to another job, or another process
            is working on it.
    """
    path, stream = (source, None) if isinstance(source, Path) else (Path("<stdin>"), source)
    kind = input_format or (format_of(path) if stream is None else "txt")
    job = PredictJob(
        classifier=classifier,
        tasks=classifier.task_specs(tasks),
        text_column=column,
        probabilities=probabilities,
        prefix=prefix,
        input_format=kind,
        output_format=_choose_output_format(target, output_format, kind),
        on_bad_row=on_bad_row,
        rejects=rejects,
        overwrite=overwrite,
        limits=limits,
        max_row_bytes=max_row_bytes,
        progress=progress or (lambda _rows, _share: None),
    )
    _check_distinct(rejects, source, target)
    if isinstance(source, Path) and isinstance(target, Path) and not _is_pipe(source):
        return predict_resumable(job, source, target, resume=resume)
    if resume:
        raise MtlError("only a job from a file to a file can be resumed; a stream is read and written once")
    return _predict_stream(job, path, stream, target)


def _predict_stream(job: PredictJob, path: Path, stream: BinaryIO | None, target: Path | BinaryIO) -> Summary:
    """Write the answers of each chunk at once; a target file is staged."""
    rows = truncated = 0
    bad = BadRows()
    max_text_bytes = job.classifier.settings.inputs.max_text_bytes
    with ExitStack() as stack:
        table = stack.enter_context(job.open_table(path, stream))
        columns = job.columns_of(table)
        columns.check(table)
        # The last one entered is completed first: if the target exists, so do the rejects.
        out = stack.enter_context(atomic_file(target, replace=job.overwrite)) if isinstance(target, Path) else target
        reject = stack.enter_context(_open_rejects(job))
        write = stack.enter_context(open_writer(out, job.output_format, source=table, added=columns.added))
        chunks = chunk_rows(table, column=columns.text_column, max_text_bytes=max_text_bytes, limits=job.limits)
        job.progress(0, None)
        good_chunks = check_first_rows(job, table, columns.added, stop_at_bad_row(job, chunks, is_file=False))
        for result in predict_chunks(job.classifier, columns, table, good_chunks):
            if result.rows:
                write(result.rows)
            for row in result.chunk.bad:
                bad.add(row.error)
                reject(row)
            rows += len(result.rows)
            truncated += result.truncated
            job.progress(rows + bad.count, result.chunk.share)
    _log.info("%d rows of %s were written, %d were left out", rows, path, bad.count)
    return Summary(rows=rows, truncated=truncated, bad_rows=bad)


@contextmanager
def _open_rejects(job: PredictJob) -> Iterator[Callable[[BadRow], object]]:
    """Give the block a function that writes a bad row to the rejects, if there is a file for them."""
    if job.rejects is None:
        yield lambda _row: None
        return
    with atomic_file(job.rejects, replace=job.overwrite) as stream:
        yield lambda row: stream.write(reject_line(row))


def _choose_output_format(target: Path | BinaryIO, requested: TableFormat | None, source: TableFormat) -> TableFormat:
    if requested is not None:
        return check_writable(requested, target if isinstance(target, Path) else Path("<stdout>"))
    if isinstance(target, Path):
        return check_writable(format_of(target), target)
    return source if source in ("csv", "tsv", "jsonl") else "csv"


def _check_distinct(rejects: Path | None, *others: Path | BinaryIO) -> None:
    paths = [realpath(other) for other in others if isinstance(other, Path)]  # Path.resolve raises on a circle of links
    if rejects is not None and realpath(rejects) in paths:
        raise MtlError(f"the bad rows cannot go to {rejects}, which is the input or the output; name another file")


def _is_pipe(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()
