"""request + output folder -> the job: the one that the folder is of, if it is the same, or a new one."""

import logging
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from mtl_runtime.bulk.job_spec import answer_facts
from mtl_runtime.bulk.request import PredictJob
from mtl_runtime.bulk.row_predictions import PredictionColumns
from mtl_runtime.cluster.job import ShardedJob, ShardedSpec
from mtl_runtime.cluster.job_folder import JobFolder
from mtl_runtime.cluster.lease import LEASE_SECONDS
from mtl_runtime.cluster.plan import plan_job
from mtl_runtime.cluster.processes import is_gone
from mtl_runtime.cluster.request import FilesRequest
from mtl_runtime.cluster.storage.file_systems import is_url, local_path, parts_below
from mtl_runtime.cluster.storage.input_files import StoredFile, is_data, list_inputs
from mtl_runtime.errors import MtlError
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.load import load
from mtl_runtime.tables.table import TableFormat, format_of
from mtl_runtime.tables.writers import check_writable
from mtl_runtime.wording import name_path

__all__ = ["start_job"]

_log = logging.getLogger(__name__)


def start_job(folder: JobFolder, request: FilesRequest) -> ShardedJob:
    """Take up the job of ``folder``, or plan a new one and write it there.

    Raises:
        MtlError: the folder holds other files; or it is of a job, and neither ``resume`` nor ``overwrite`` is set; or
            of another job than the one that is asked for; or the inputs are missing or malformed.
    """
    _check_places(folder, request)
    _check_folder(folder, request)
    files = list_inputs(request.inputs)
    _check_inputs(folder, files)
    if request.resume and (recorded := folder.read_job()) is not None:
        return _resume(folder, recorded, request, files)
    job = _plan(request, files)
    if request.overwrite and folder.has_job:
        _check_unused(folder)
        folder.remove_job()
    if folder.create_job(job):
        return job
    return _meet(folder, job, resume=request.resume)


def _check_folder(folder: JobFolder, request: FilesRequest) -> None:
    if not folder.has_job:
        folder.check_empty()
    elif not (request.resume or request.overwrite):
        if folder.is_complete:
            raise MtlError(f"{folder.name} exists already; name another output, or replace it with --force")
        raise MtlError(f"{folder.name} was started and not finished; --resume continues it, --force starts over")


def _check_unused(folder: JobFolder) -> None:
    """Refuse to start over while processes of an array, which hold no lease, work on the job."""
    for running in folder.read_running():
        is_fresh = time.time() - running.updated < LEASE_SECONDS
        is_this = (running.host, running.pid) == (socket.gethostname(), os.getpid())
        if is_fresh and not is_this and not is_gone(running.host, running.pid):
            raise MtlError(
                f"process {running.pid} on {running.host} works on {folder.name}; stop it, and start over "
                f"{LEASE_SECONDS:g} seconds later"
            )


def _meet(folder: JobFolder, planned: ShardedJob, *, resume: bool) -> ShardedJob:
    """Take up the job that another process has written since this one looked, if it is the same."""
    recorded = folder.read_job()
    if recorded is None or not resume:
        raise MtlError(f"{folder.name} was started by another process in this moment; --resume continues it")
    _require_same(folder, recorded, planned.spec, planned.inputs)
    return recorded


def _check_places(folder: JobFolder, request: FilesRequest) -> None:
    """Refuse an output whose parts would be inputs the next time, and bad rows that would be read as parts."""
    output = folder.store.url
    for name in request.inputs:
        below = parts_below(output, name)
        if below is not None and all(map(is_data, below)):
            raise MtlError(
                f"the output {folder.name} lies in the input {name_path(name)}, so that its parts would be inputs next "
                f"time; name another output, or one that starts with _"
            )
    if request.rejects is not None and parts_below(request.rejects, output) is not None:
        raise MtlError(f"--rejects {name_path(request.rejects)} lies in the output; name another folder")
    if request.rejects is not None and not is_url(request.rejects) and Path(local_path(request.rejects)).is_file():
        raise MtlError(f"--rejects {name_path(request.rejects)} is a file; name a folder for the bad rows of all parts")


def _check_inputs(folder: JobFolder, files: Sequence[StoredFile]) -> None:
    below = f"{folder.store.url.rstrip('/')}/"
    if inside := [file.path for file in files if file.path.startswith(below)]:
        raise MtlError(f"{name_path(inside[0])} is an input and lies in the output {folder.name}; name another output")


def _plan(request: FilesRequest, files: Sequence[StoredFile]) -> ShardedJob:
    classifier = load(request.bundle, **{"threads": 1, **request.load_options})
    job = _predict_job(request, classifier, _choose_format(request, files[0]))
    return plan_job(job, files, shard_rows=request.shard_rows, input_format=request.input_format)


def _resume(folder: JobFolder, recorded: ShardedJob, request: FilesRequest, files: Sequence[StoredFile]) -> ShardedJob:
    """Compare what is asked for with the job as it was started; the bundle is opened as it was then."""
    classifier = load(request.bundle, **{**recorded.spec.load_arguments, **request.load_options})
    job = _predict_job(request, classifier, _choose_format(request, files[0]))
    column = request.column or recorded.spec.column
    columns = PredictionColumns(
        tasks=job.tasks, text_column=column, probabilities=request.probabilities, prefix=request.prefix
    )
    spec = ShardedSpec(**answer_facts(job, columns), shard_rows=request.shard_rows, max_row_bytes=request.max_row_bytes)
    _require_same(folder, recorded, spec, files)
    _log.info("resuming %s", folder.name)
    return recorded


def _require_same(folder: JobFolder, recorded: ShardedJob, spec: ShardedSpec, files: Sequence[StoredFile]) -> None:
    difference = spec.describe_difference(recorded.spec) or _describe_other_files(recorded, files)
    if difference is not None:
        raise MtlError(f"{folder.name} was started as another job: {difference}; undo that, or start over with --force")


def _describe_other_files(recorded: ShardedJob, files: Sequence[StoredFile]) -> str | None:
    then, now = ([(file.path, file.bytes, file.version) for file in some] for some in (recorded.inputs, files))
    if then == now:
        return None
    if [path for path, *_ in then] == [path for path, *_ in now]:
        changed = next(path for (path, *facts), other in zip(now, then, strict=True) if tuple(facts) != other[1:])
        return f"{name_path(changed)} was changed"
    other = next(iter({path for path, *_ in now} ^ {path for path, *_ in then}), "their order")
    return f"the inputs are {len(now):,} files and were {len(then):,}, of which {name_path(other)} is only in one list"


def _predict_job(request: FilesRequest, classifier: Classifier, output_format: TableFormat) -> PredictJob:
    return PredictJob(
        classifier=classifier,
        tasks=classifier.task_specs(request.tasks),
        text_column=request.column,
        probabilities=request.probabilities,
        prefix=request.prefix,
        input_format="txt",  # of each file by itself
        output_format=output_format,
        on_bad_row=request.on_bad_row,
        rejects=None,
        overwrite=False,
        limits=request.limits,
        max_row_bytes=request.max_row_bytes,
        progress=lambda _rows, _share: None,
    )


def _choose_format(request: FilesRequest, first: StoredFile) -> TableFormat:
    if request.output_format is not None:
        return check_writable(request.output_format, Path(request.output))
    kind = request.input_format or format_of(Path(first.path))
    return "csv" if kind == "txt" else kind
