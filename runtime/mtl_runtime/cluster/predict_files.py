"""files -> a folder of parts with their answers: the driver, which hands shards to an engine."""

import dataclasses
import logging
import shutil
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from mtl_runtime.bulk.request import Progress
from mtl_runtime.cluster.engines.engine import Engine, EngineOptions
from mtl_runtime.cluster.job import FailureRecord, PartRecord, ShardedJob
from mtl_runtime.cluster.job_folder import JobFolder
from mtl_runtime.cluster.lease import LEASE_SECONDS, hold_lease
from mtl_runtime.cluster.manifest import make_manifest, read_manifest
from mtl_runtime.cluster.request import FilesRequest, FilesSummary
from mtl_runtime.cluster.start_job import start_job
from mtl_runtime.cluster.storage.stores import open_store
from mtl_runtime.cluster.worker import Outcome, WorkerTask
from mtl_runtime.errors import MtlError

__all__ = ["predict_files"]

_log = logging.getLogger(__name__)

_MOST_SECONDS_BETWEEN_ROUNDS = 60.0


def predict_files(
    request: FilesRequest,
    engine: Engine,
    options: EngineOptions,
    *,
    progress: Progress | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> FilesSummary:
    """Answer every row of the inputs, shard by shard; what is done stays done, whoever is killed. See docs/scale.md.

    Args:
        request: what to do.
        engine: a row of :data:`mtl_runtime.cluster.engines.table.ENGINES`.
        options: of the engine.
        progress: called with the rows done and their share of the input, at the start and after each part.
        lease_seconds: how long a driver that was lost keeps others from the output.

    Raises:
        MtlError: as :func:`mtl_runtime.cluster.start_job.start_job`; or shards were given up: the message has the first
            one's error, the others are done; or another driver works on the output.
        TableError: an input is malformed.
    """
    folder = JobFolder.open(request.output)
    is_array = engine.select is not None
    if is_array and request.overwrite:
        raise MtlError(
            f"--force is not for the processes of an array, each of which would start over; name another output, or "
            f"remove {folder.name} before they start"
        )
    if is_array:  # of its processes, one begins and the others join
        request = dataclasses.replace(request, resume=True)
    with nullcontext() if is_array else hold_lease(folder, seconds=lease_seconds):
        try:
            job = start_job(folder, request)
        except MtlError:
            if not is_array:
                folder.remove_empty_state()
            raise
        if not is_array:
            folder.store.remove_staging()
        if folder.is_complete:
            done = folder.read_done(job)
            if len(done) == len(job.shards):
                if request.rejects is not None:
                    _copy_rejects(folder, done, request.rejects)
                return _summarize_complete(folder)
            _log.warning("%s was complete and lacks %d parts", folder.name, len(job.shards) - len(done))
            folder.reopen()
        if not is_array:
            folder.forget_failed()
        return _Run(folder, job, request, engine, options, progress or (lambda _rows, _share: None)).run()


def _summarize_complete(folder: JobFolder) -> FilesSummary:
    manifest = read_manifest(folder)
    return FilesSummary(
        shards=len(manifest.parts),
        done=len(manifest.parts),
        rows=manifest.rows,
        truncated=manifest.truncated,
        bad_rows=manifest.bad_rows,
        is_complete=True,
        finished_before=True,
    )


class _Run:
    """One driver's work on a job."""

    def __init__(
        self,
        folder: JobFolder,
        job: ShardedJob,
        request: FilesRequest,
        engine: Engine,
        options: EngineOptions,
        progress: Progress,
    ) -> None:
        self._folder, self._job, self._request = folder, job, request
        self._engine, self._progress = engine, progress
        self._options = dataclasses.replace(options, threads=job.spec.workers * job.spec.threads)
        self._done: dict[int, PartRecord] = {}
        self._failed: dict[int, FailureRecord] = {}
        self._task = WorkerTask(
            output=folder.store.url,
            bundle=str(request.bundle.absolute()),
            digest=job.spec.bundle,
            on_bad_row="error" if request.on_bad_row == "error" and request.rejects is None else "skip",
        )

    def run(self) -> FilesSummary:
        """Run what is left of this process's shards; mark the job as complete if nothing is left of any."""
        select = self._engine.select
        count = len(self._job.shards)
        mine = range(count) if select is None else select(count, self._options)
        self._done.update(self._folder.read_done(self._job))
        self._show_progress()
        left = [shard for shard in mine if shard not in self._done]
        _log.info("%d of %d shards are to do", len(left), len(mine))
        self._run_rounds(left)
        if self._failed:
            raise self._describe_failures()
        if select is not None:
            self._done.update(self._folder.read_done(self._job))  # others may have ended meanwhile
        is_complete = len(self._done) == count
        if is_complete:
            self._finish()
        records = self._done.values()
        return FilesSummary(
            shards=count,
            done=len(records),
            rows=sum(record.rows for record in records),
            truncated=sum(record.truncated for record in records),
            bad_rows=sum(record.bad_rows for record in records),
            is_complete=is_complete,
        )

    def _run_rounds(self, shards: Sequence[int]) -> None:
        """Run shards, and again those that failed, after the others, until they are done or given up."""
        attempts: Counter[int] = Counter()
        pause = 1.0
        while shards:
            again: list[int] = []
            waiting = deque(shards)
            for outcome in self._engine.run(self._task, waiting, self._options):
                attempts[outcome.shard] += 1
                if outcome.stops_job:
                    raise MtlError(outcome.error)
                if not self._note(outcome, attempts[outcome.shard]):
                    (waiting if outcome.is_lost else again).append(outcome.shard)
            again += waiting
            if again:
                time.sleep(pause)  # what made them fail may pass
                pause = min(2 * pause, _MOST_SECONDS_BETWEEN_ROUNDS)
                # A worker may have listed a part before its engine was lost.
                self._done.update(self._folder.read_done(self._job))
            shards = [shard for shard in sorted(again) if shard not in self._done]

    def _note(self, outcome: Outcome, attempts: int) -> bool:
        """Note the outcome; False if the shard is to be tried again."""
        record = outcome.record
        if record is not None and record.job == self._job.digest:
            self._done[record.shard] = record
            self._show_progress()
            return True
        if not outcome.is_permanent and attempts < self._request.attempts:
            _log.warning("shard %d failed and is tried again: %s", outcome.shard, outcome.error)
            return False
        _log.warning("shard %d is given up after %d attempts: %s", outcome.shard, attempts, outcome.error)
        self._failed[outcome.shard] = failure = FailureRecord(
            job=self._job.digest,
            shard=outcome.shard,
            attempts=attempts,
            error=outcome.error,
            host=outcome.host,
        )
        self._folder.add_failed(failure)
        return True

    def _show_progress(self) -> None:
        total = max(1, sum(shard.bytes for shard in self._job.shards))
        done = sum(self._job.shards[number].bytes for number in self._done)
        self._progress(sum(record.rows + record.bad_rows for record in self._done.values()), done / total)

    def _describe_failures(self) -> MtlError:
        first = min(self._failed)
        failed, count = len(self._failed), len(self._job.shards)
        what = f"{failed:,} of {count:,} shards failed, {len(self._done):,} are done; shard {first}"
        advice = f"`mtl predict --status {self._folder.name}` lists them, --resume tries them again"
        return MtlError(f"{what}: {self._failed[first].error}; {advice}")

    def _finish(self) -> None:
        if self._request.rejects is not None:
            _copy_rejects(self._folder, self._done, self._request.rejects)
        manifest, data, success = make_manifest(self._job, self._done)
        self._folder.finish(data, success)
        _log.info("%s is complete: %d parts with %d rows", self._folder.name, len(manifest.parts), manifest.rows)


def _copy_rejects(folder: JobFolder, done: Mapping[int, PartRecord], place: str) -> None:
    """Copy the bad rows of each part that has some to a file in the folder ``place``."""
    target = open_store(place)
    for record in done.values():
        if record.rejects is None:
            continue
        name = folder.rejects_name(record.name)
        with target.staging() as staging:
            staged = staging / "rejects"
            with folder.store.open(name) as source, staged.open("wb") as stream:
                shutil.copyfileobj(source, stream)
            target.place(staged, name.rpartition("/")[2])
