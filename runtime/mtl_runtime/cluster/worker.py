"""number of a shard -> its part in the output folder, and then the record of it.

A worker needs the output folder and the bundle, nothing else: what to do is in the folder. Two workers that run the
same shard write the same bytes under the same name, so neither a second driver nor an engine that runs a task twice
loses or doubles a row.
"""

import base64
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_runtime.bulk.job_spec import deciding_versions
from mtl_runtime.bulk.predict_part import PartCounts, predict_part
from mtl_runtime.bulk.request import OnBadRow, PredictJob
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.cluster.job import InputFile, PartRecord, Shard, ShardedJob, ShardedSpec
from mtl_runtime.cluster.job_folder import JobFolder, RunningRecord
from mtl_runtime.cluster.storage.input_files import find_file, open_stored
from mtl_runtime.core import records
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import CheckFailedError, MtlError, TableError
from mtl_runtime.loading.load import load
from mtl_runtime.tables.row_chunks import ChunkLimits
from mtl_runtime.wording import elide

if TYPE_CHECKING:
    from mtl_runtime.inference.classifier import Classifier

__all__ = ["Outcome", "ShardWorker", "WorkerTask", "job_request"]

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_NOTES = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTask:
    """What a worker is started with."""

    output: str  # path or URL of the output folder
    bundle: str  # folder
    digest: str  # SHA-256 of its manifest
    on_bad_row: OnBadRow = "error"

    def to_line(self) -> bytes:
        """A line of JSON."""
        return _to_line(self)

    @classmethod
    def from_line(cls, line: bytes) -> "WorkerTask":
        """Read what :meth:`to_line` wrote."""
        return records.from_json(cls, line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an attempt at a shard: a part, or an error."""

    shard: int
    record: PartRecord | None = None
    error: str = ""
    is_permanent: bool = False  # the same shard would fail again
    stops_job: bool = False  # any shard would fail on this worker
    is_lost: bool = False  # the worker has ended, most likely through no fault of the shard
    host: str = ""

    @classmethod
    def lost(cls, shard: int, error: str) -> "Outcome":
        """The outcome of an attempt whose worker has ended."""
        return cls(shard=shard, error=error, is_lost=True)

    def to_line(self) -> bytes:
        """A line of JSON."""
        return _to_line(self)

    @classmethod
    def from_line(cls, line: bytes | str) -> "Outcome":
        """Read what :meth:`to_line` wrote."""
        return records.from_json(cls, line)


def _to_line(record: WorkerTask | Outcome) -> bytes:
    return f"{json.dumps(records.to_dict(record))}\n".encode()


class ShardWorker:
    """A classifier and the job that it works on.

    Args:
        task: where the job and the bundle are.

    Raises:
        MtlError: there is no job; or the bundle or a package is not the one that the job was planned with.
    """

    def __init__(self, task: WorkerTask) -> None:
        self._folder = JobFolder.open(task.output)
        job = self._folder.read_job()
        if job is None:
            raise MtlError(f"{self._folder.name} holds no job")
        self._job: ShardedJob = job
        self._on_bad_row = task.on_bad_row
        _check_versions(job.spec)
        self._classifier = load(task.bundle, **job.spec.load_arguments)
        _check_classifier(job.spec, self._classifier)
        facts = machine_facts()
        self._machine, self._host = " ".join((facts.cpu, *facts.cpu_flags, *facts.gpus)), socket.gethostname()

    def run(self, shard: int) -> Outcome:
        """Compute a shard; what goes wrong is part of the outcome."""
        try:
            return Outcome(shard=shard, record=self._run(shard), host=self._host)
        except (TableError, CheckFailedError) as error:
            return Outcome(shard=shard, error=self._describe(shard, error), is_permanent=True, host=self._host)
        except Exception as error:  # noqa: BLE001 - a filesystem may raise anything, and the next attempt may succeed
            return Outcome(shard=shard, error=self._describe(shard, error), host=self._host)

    def _describe(self, shard: int, error: Exception) -> str:
        """The error, with the URL of the input as it is written: a Path has one slash in place of two."""
        rows = self._job.shards[shard]
        file = self._job.inputs[rows.input]
        text = str(error) if isinstance(error, MtlError) else f"{type(error).__name__}: {error}"
        text = text.replace(str(Path(file.path)), file.path)
        counted = f" (lines are counted from byte {rows.start:,})" if rows.start and not rows.lines_before else ""
        return elide(text + (counted if file.format != "parquet" else ""))

    def _run(self, number: int) -> PartRecord:
        started = time.monotonic()
        shard = self._job.shards[number]
        file = self._job.inputs[shard.input]
        name = self._job.part_name(number)
        progress = self._note_progress(number)
        progress(0, None)
        _require_unchanged(file)
        with self._folder.store.staging() as staging:
            part, rejects = staging / name, staging / "rejects"
            counts = self._write(shard, file, part, rejects, progress)
            _require_unchanged(file)
            record = PartRecord(
                job=self._job.digest,
                shard=number,
                name=name,
                **records.to_dict(counts),
                output=FileSpec.of_file(part),
                rejects=FileSpec.of_file(rejects) if counts.bad_rows else None,
                seconds=time.monotonic() - started,
                finished=time.time(),
                host=self._host,
                machine=self._machine,
            )
            if counts.bad_rows:
                self._folder.store.place(rejects, self._folder.rejects_name(name))
            self._folder.store.place(part, name)
        self._folder.add_done(record)
        _log.info("shard %d is done: %d rows, %d bad ones", number, counts.rows, counts.bad_rows)
        return record

    def _write(
        self, shard: Shard, file: InputFile, part: Path, rejects: Path, progress: Callable[[int, float | None], None]
    ) -> PartCounts:
        job = job_request(self._classifier, self._job.spec, file, on_bad_row=self._on_bad_row, progress=progress)
        with (
            open_stored(file.path) as stream,
            part.open("wb") as output,
            rejects.open("wb") as bad,
        ):
            return predict_part(
                job,
                Path(file.path),
                stream,
                shard.range_in(file),
                output=output,
                rejects=bad,
                empty_piece=base64.b64decode(file.schema),
            )

    def _note_progress(self, shard: int) -> Callable[[int, float | None], None]:
        last = -_SECONDS_BETWEEN_NOTES

        def note(rows: int, _share: float | None) -> None:
            nonlocal last
            if time.monotonic() - last >= _SECONDS_BETWEEN_NOTES:
                last = time.monotonic()
                self._folder.note_running(
                    RunningRecord(shard=shard, host=self._host, pid=os.getpid(), rows=rows, updated=time.time())
                )

        return note


def job_request(
    classifier: "Classifier",
    spec: ShardedSpec,
    file: InputFile,
    *,
    on_bad_row: OnBadRow = "error",
    progress: Callable[[int, float | None], None] = lambda _rows, _share: None,
) -> PredictJob:
    """How the shards of ``file`` are predicted."""
    return PredictJob(
        classifier=classifier,
        tasks=classifier.task_specs(spec.tasks),
        text_column=spec.column,
        probabilities=spec.probabilities,
        prefix=spec.prefix,
        input_format=file.format,
        output_format=spec.table_format,
        on_bad_row=on_bad_row,
        rejects=None,
        overwrite=False,
        limits=ChunkLimits(rows=spec.chunk_rows, characters=spec.chunk_characters),
        max_row_bytes=spec.max_row_bytes,
        progress=progress,
    )


def _check_versions(spec: ShardedSpec) -> None:
    here = deciding_versions()
    for package in sorted({*here, *spec.versions}):
        now, then = here.get(package, "absent"), spec.versions.get(package, "absent")
        if now != then:
            problem = f"{package} is {now} on {socket.gethostname()}, and {then} where the job was started"
            raise MtlError(f"{problem}; install the same version on all machines")


def _check_classifier(spec: ShardedSpec, classifier: "Classifier") -> None:
    if classifier.info.digest != spec.bundle:
        problem = f"the bundle {classifier.info.bundle} on {socket.gethostname()} is not the one of the job"
        raise MtlError(f"{problem}; copy the same bundle to all machines")


def _require_unchanged(file: InputFile) -> None:
    now = find_file(file.path)
    if (now.bytes, now.version) != (file.bytes, file.version):
        raise TableError(Path(file.path), "the file was changed after the job was planned; start over with --force")
