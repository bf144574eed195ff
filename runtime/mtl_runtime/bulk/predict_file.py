"""table of texts -> the same table with the answers beside it, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.bulk.request import BadRows, OnBadRow, PredictJob, Progress, Summary, accepted_rows
from mtl_runtime.bulk.resumable import predict_resumable
from mtl_runtime.bulk.row_predictions import PredictionColumns, answer_columns, predict_chunks
from mtl_runtime.core.atomic_file import atomic_file
from mtl_runtime.errors import MtlError
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.row_chunks import ChunkLimits, chunk_rows
from mtl_runtime.tables.table import BadRow, TableFormat, format_of
from mtl_runtime.tables.writers import check_writable, open_writer, reject_line

__all__ = ["BadRows", "OnBadRow", "Progress", "Summary", "answer_columns", "predict_file"]

_CUT = ChunkLimits()


def predict_file(
    classifier: Classifier,
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    *,
    tasks: Iterable[str] | None = None,
    column: str = "text",
    probabilities: bool = False,
    input_format: TableFormat | None = None,
    output_format: TableFormat | None = None,
    prefix: str = "",
    on_bad_row: OnBadRow = "error",
    rejects: Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    cut: ChunkLimits = _CUT,
) -> Summary:
    """Answer ``tasks`` for each row of ``source`` and write the rows with their answers to ``target``.

    A target file is whole or absent. A row is bad if it cannot be read, or if its text is missing, no str
    or too long; an empty str is a legal text.

    From a file to a file, what is done is kept in a folder beside the target, where it outlives the process;
    see docs/bulk-files.md.

    Args:
        classifier: an opened bundle.
        source: a file, or a binary stream (then ``input_format`` defaults to txt).
        target: a file, or a binary stream.
        tasks: default: all of the bundle's.
        column: the column of ``source`` that holds the texts.
        probabilities: also write the probability of every label.
        prefix: what the names of the answers' columns start with, where ``source`` has columns of those names.
        input_format: default: by the suffix of ``source``.
        output_format: default: by the suffix of ``target``; for a stream the input's, or csv.
        on_bad_row: raise the first bad row's error, or leave bad rows out and count them.
        rejects: file that gets the bad rows, a line of JSON each, in their order; then they are no errors.
        overwrite: replace an existing ``target`` and ``rejects``, and forget what was done of them.
        resume: go on where an earlier process, that was to write the same ``target``, came to.
        progress: called at the start and after each chunk of rows.
        cut: where a chunk of rows ends; the texts of a chunk are batched together.

    Raises:
        TableError: the source is malformed, or a column of it has the name of an answer's column.
        UnknownTaskError: the bundle has no such task.
        CheckFailedError: the model answered NaN or infinity.
        MtlError: the target exists already, or cannot be written; or it was begun and ``resume`` is not set, or it
            was begun as another job, or another process is at it.
    """
    path, stream = (source, None) if isinstance(source, Path) else (Path("<stdin>"), source)
    kind = input_format or (format_of(path) if stream is None else "txt")
    request = PredictJob(
        classifier=classifier,
        questions=PredictionColumns(
            tasks=classifier.task_specs(tasks), column=column, probabilities=probabilities, prefix=prefix
        ),
        input_format=kind,
        output_format=_target_format(target, output_format, kind),
        on_bad_row=on_bad_row,
        rejects=rejects,
        overwrite=overwrite,
        cut=cut,
        progress=progress or (lambda _rows, _share: None),
    )
    _check_distinct(rejects, source, target)
    if isinstance(source, Path) and isinstance(target, Path) and not _is_pipe(source):
        return predict_resumable(request, source, target, resume=resume)
    if resume:
        raise MtlError("only from a file to a file can a job be gone on with; a stream is read and written once")
    return _predict_stream(request, path, stream, target)


def _predict_stream(request: PredictJob, path: Path, stream: BinaryIO | None, target: Path | BinaryIO) -> Summary:
    """Write the answers as they come; a target file is staged."""
    rows = truncated = 0
    bad = BadRows()
    questions = request.questions
    with ExitStack() as stack:
        table = stack.enter_context(open_table(path, format=request.input_format, stream=stream))
        questions.check(table)
        # The last that is entered is whole first: where the target is, the rejects are.
        out = (
            stack.enter_context(atomic_file(target, replace=request.overwrite)) if isinstance(target, Path) else target
        )
        reject = stack.enter_context(_rejects(request))
        write = stack.enter_context(open_writer(out, request.output_format, source=table, added=questions.columns))
        cut = chunk_rows(
            table,
            column=questions.column,
            max_text_bytes=request.classifier.settings.inputs.max_text_bytes,
            cut=request.cut,
        )
        request.progress(0, None)
        for answered in predict_chunks(request.classifier, questions, table, accepted_rows(request, cut)):
            if answered.rows:
                write(answered.rows)
            for row in answered.chunk.bad:
                bad.add(row.error)
                reject(row)
            rows += len(answered.rows)
            truncated += answered.truncated
            request.progress(rows + bad.count, answered.chunk.share)
    return Summary(rows=rows, truncated=truncated, bad_rows=bad)


@contextmanager
def _rejects(request: PredictJob) -> Iterator[Callable[[BadRow], object]]:
    """What is to be done with a bad row that is left out."""
    if request.rejects is None:
        yield lambda _row: None
        return
    with atomic_file(request.rejects, replace=request.overwrite) as stream:
        yield lambda row: stream.write(reject_line(row))


def _target_format(target: Path | BinaryIO, asked: TableFormat | None, source: TableFormat) -> TableFormat:
    if asked is not None:
        return check_writable(asked, target if isinstance(target, Path) else Path("<stdout>"))
    if isinstance(target, Path):
        return check_writable(format_of(target), target)
    return source if source in ("csv", "tsv", "jsonl") else "csv"


def _check_distinct(rejects: Path | None, *others: Path | BinaryIO) -> None:
    if rejects is not None and rejects.resolve() in [other.resolve() for other in others if isinstance(other, Path)]:
        raise MtlError(f"the bad rows cannot go to {rejects}, which is the input or the output; name another file")


def _is_pipe(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()
