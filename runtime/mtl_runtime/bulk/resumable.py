"""file of texts -> file of answers, chunk by chunk, so that a process that was killed can be gone on with."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from mtl_runtime.bulk.journal import ChunkRecord, JobSpec
from mtl_runtime.bulk.request import BadRows, PredictJob, Summary, accepted_rows
from mtl_runtime.bulk.row_predictions import PredictedChunk, predict_chunks
from mtl_runtime.bulk.work_folder import WorkFolder, open_work_folder
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import MtlError, TableError
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.row_chunks import chunk_rows, read_ahead
from mtl_runtime.tables.table import Table
from mtl_runtime.tables.writers import ChunkedWriter, open_chunked_writer, reject_line

__all__ = ["predict_resumable"]

# Their versions may change tokens, bits, or how a value is written.
_DECIDING = ("mtl-export", "numpy", "tokenizers", "onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "pyarrow")


def predict_resumable(request: PredictJob, source: Path, target: Path, *, resume: bool) -> Summary:
    """Answer the file ``source`` into the file ``target``, or with ``resume`` what is left of it.

    Raises:
        MtlError, TableError, CheckFailedError: as :func:`mtl_runtime.bulk.predict_file.predict_file`.
    """
    before = _facts(source)
    job = _job(request, source)
    with open_work_folder(target, job, resume=resume, replace=request.overwrite) as work:
        if work.finished is None:
            with open_table(source, format=request.input_format) as table:
                request.questions.check(table)
                pieces = _answer(request, table, work)
            if _facts(source) != before:
                raise MtlError(f"{source} was changed while it was read; start anew with --force")
            work.finish(join=pieces.join, rejects=request.rejects)
        elif request.rejects is not None and work.files.rejects.exists():
            work.place_rejects(request.rejects)
        return Summary(rows=work.rows, truncated=work.truncated, bad_rows=_bad_rows(work, source))


def _answer(request: PredictJob, table: Table, work: WorkFolder) -> ChunkedWriter:
    """Answer and keep the chunks that are not done."""
    if request.rejects is not None:
        work.check_rejects(request.rejects)
    if request.refuses_bad_rows:
        for error in _bad_rows(work, table.path).first:
            raise error
    request.progress(work.records, None)
    cut = chunk_rows(
        table,
        column=request.questions.column,
        max_text_bytes=request.classifier.settings.inputs.max_text_bytes,
        cut=request.cut,
    )
    with (
        open_chunked_writer(
            request.output_format, source=table, added=request.questions.columns, earlier=work.pieces()
        ) as pieces,
        read_ahead(cut) as chunks,
    ):
        # Rows that are done are parsed once more, which is quick: the table decides alone where a chunk begins.
        left = islice(chunks, work.chunks, None)
        for answered in predict_chunks(request.classifier, request.questions, table, accepted_rows(request, left)):
            _keep(work, answered, pieces)
            request.progress(work.records, answered.chunk.share)
    return pieces


def _keep(work: WorkFolder, answered: PredictedChunk, pieces: ChunkedWriter) -> None:
    output = pieces.encode(answered.rows)
    rejects = b"".join(map(reject_line, answered.chunk.bad))
    done = ChunkRecord(
        chunk=answered.chunk.number,
        rows=len(answered.rows),
        truncated=answered.truncated,
        bad_rows=len(answered.chunk.bad),
        output=FileSpec.of(output),
        rejects=FileSpec.of(rejects),
    )
    work.add(done, output, rejects)


def _job(request: PredictJob, source: Path) -> JobSpec:
    info, questions, machine = request.classifier.info, request.questions, machine_facts()
    try:
        content = FileSpec.of_file(source)
    except OSError as error:
        raise TableError(source, f"cannot be opened: {error.strerror}") from error
    return JobSpec(
        input=content,
        bundle=info.digest,
        variant=info.variant,
        provider=info.provider,
        max_batch_tokens=info.max_batch_tokens,
        workers=info.workers,
        threads=info.threads,
        long_text=request.classifier.settings.inputs.long_text,
        aggregate=request.classifier.settings.inputs.aggregate,
        max_text_bytes=request.classifier.settings.inputs.max_text_bytes,
        machine=(machine.cpu, *machine.cpu_flags, *machine.gpus),
        versions=installed_versions(_DECIDING),
        tasks=tuple(task.name for task in questions.tasks),
        column=questions.column,
        probabilities=questions.probabilities,
        prefix=questions.prefix,
        input_format=request.input_format,
        output_format=request.output_format,
        chunk_rows=request.cut.rows,
        chunk_characters=request.cut.characters,
    )


def _facts(source: Path) -> Sequence[int]:
    """What changes when a file is written to; whether it is there is told elsewhere."""
    try:
        facts = source.stat()
    except OSError:
        return ()
    return facts.st_size, facts.st_mtime_ns


def _bad_rows(work: WorkFolder, source: Path) -> BadRows:
    """The work's bad rows, of which the file of rejects holds what is told about each."""
    bad = BadRows(count=work.bad_rows)
    if work.bad_rows and work.files.rejects.exists():
        with work.files.rejects.open("rb") as stream:
            for line in islice(stream, BadRows.KEPT):
                told = records.parse_json(line, where=work.files.rejects.name)
                bad.first.append(TableError(source, told["reason"], line=told["line"], column=told["column"]))
    return bad
