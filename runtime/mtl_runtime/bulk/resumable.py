"""file of texts -> file of predictions, chunk by chunk, so that a job can be resumed after its process was killed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mtl_runtime.bulk.finished_output import summarize_finished_output
from mtl_runtime.bulk.job_spec import JobSpec, answer_facts
from mtl_runtime.bulk.journal import ChunkRecord
from mtl_runtime.bulk.request import BadRows, PredictJob, Summary, advise, check_first_rows, stop_at_bad_row
from mtl_runtime.bulk.row_predictions import PredictedChunk, PredictionColumns, predict_chunks
from mtl_runtime.bulk.work_folder import WorkFolder, open_work_folder, work_folder_path
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import MtlError, RecordError, TableError
from mtl_runtime.tables.row_chunks import chunk_rows, read_ahead
from mtl_runtime.tables.table import Table
from mtl_runtime.tables.writers import ChunkedWriter, open_chunked_writer, reject_line

__all__ = ["predict_resumable"]

_log = logging.getLogger(__name__)


def predict_resumable(job: PredictJob, source: Path, target: Path, *, resume: bool) -> Summary:
    """Predict the file ``source`` into the file ``target``; with ``resume``, only the chunks that are left.

    Raises:
        MtlError, TableError, CheckFailedError: as :func:`mtl_runtime.bulk.predict_file.predict_file`.
    """
    before = _file_state(source)
    with job.open_table(source) as table:
        columns = job.columns_of(table)
    if resume and target.is_file() and not work_folder_path(target).exists():
        finished = summarize_finished_output(job, columns, source, target)
        _log.info("%s is complete: nothing is left to do", target)
        return finished
    spec = _job_spec(job, columns, source)
    with open_work_folder(target, spec, resume=resume, replace_existing=job.overwrite) as work:
        if work.finished is None:
            with job.open_table(source) as table:
                columns.check(table)
                writer = _predict_remaining(job, columns, table, work)
            if _file_state(source) != before:
                raise MtlError(f"{source} was changed while it was read; start over with --force")
            work.finish(join=writer.join, rejects=job.rejects)
        elif job.rejects is not None and work.files.rejects.exists():
            work.place_rejects(job.rejects)
        _log.info("%d rows of %s were written to %s, %d were left out", work.rows, source, target, work.bad_rows)
        return Summary(rows=work.rows, truncated=work.truncated, bad_rows=_read_bad_rows(work, source))


def _predict_remaining(job: PredictJob, columns: PredictionColumns, table: Table, work: WorkFolder) -> ChunkedWriter:
    """Predict and store the chunks that are not finished."""
    if job.rejects is not None:
        work.needs_rejects(job.rejects)
    if job.refuses_bad_rows:
        earlier = _read_bad_rows(work, table.path)
        for error in earlier.first:
            raise advise(error, earlier.count - 1)
    job.progress(work.records, None)
    max_text_bytes = job.classifier.settings.inputs.max_text_bytes
    all_chunks = chunk_rows(table, column=columns.text_column, max_text_bytes=max_text_bytes, limits=job.limits)
    output_format, added = job.output_format, columns.added
    with (
        open_chunked_writer(output_format, source=table, added=added, earlier=work.pieces()) as writer,
        read_ahead(all_chunks) as chunks,
    ):
        # Finished rows are parsed again, which is quick: the table alone decides where a chunk starts.
        remaining = stop_at_bad_row(job, islice(chunks, work.chunks, None), is_file=True)
        if not work.chunks:
            remaining = check_first_rows(job, table, added, remaining)
        for result in predict_chunks(job.classifier, columns, table, remaining):
            _store_chunk(work, result, writer)
            job.progress(work.records, result.chunk.share)
    return writer


def _store_chunk(work: WorkFolder, result: PredictedChunk, writer: ChunkedWriter) -> None:
    output = writer.encode(result.rows)
    rejects = b"".join(map(reject_line, result.chunk.bad))
    record = ChunkRecord(
        chunk=result.chunk.number,
        rows=len(result.rows),
        truncated=result.truncated,
        bad_rows=len(result.chunk.bad),
        output=FileSpec.of(output),
        rejects=FileSpec.of(rejects),
    )
    work.add(record, output, rejects)
    _log.debug("chunk %d is stored: %d rows, %d bad ones", record.chunk, record.rows, record.bad_rows)


def _job_spec(job: PredictJob, columns: PredictionColumns, source: Path) -> JobSpec:
    try:
        content = FileSpec.of_file(source)
    except OSError as error:
        raise TableError(source, f"cannot be opened: {error.strerror}") from error
    machine = machine_facts()
    return JobSpec(
        **answer_facts(job, columns),
        input=content,
        machine=(machine.cpu, *machine.cpu_flags, *machine.gpus),
        input_format=job.input_format,
    )


def _file_state(source: Path) -> Sequence[int]:
    """Size and time of the last change; empty for a missing file, which is reported elsewhere."""
    try:
        facts = source.stat()
    except OSError:
        return ()
    return facts.st_size, facts.st_mtime_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class _RejectedRow:
    """A line of the rejects."""

    line: int | None
    column: str | None
    reason: str
    row: Any


def _read_bad_rows(work: WorkFolder, source: Path) -> BadRows:
    """Read the first errors from the file of rejects."""
    bad = BadRows(count=work.bad_rows)
    if work.bad_rows and work.files.rejects.exists():
        with work.files.rejects.open("rb") as stream:
            for line in islice(stream, BadRows.MAX_ERRORS):
                try:
                    reject = records.from_json(_RejectedRow, line, where=work.files.rejects.name)
                except RecordError as error:
                    raise MtlError(f"{work.files.rejects} cannot be read ({error}); start over with --force") from error
                bad.first.append(TableError(source, reject.reason, line=reject.line, column=reject.column))
    return bad
