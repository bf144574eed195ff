"""output folder -> how far its job is: shards done, running and failed, rows/s, time left."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mtl_runtime.cluster.job import FailureRecord, PartRecord
from mtl_runtime.cluster.job_folder import JobFolder, RunningRecord
from mtl_runtime.errors import MtlError

__all__ = ["JobStatus", "find_status"]

_SECONDS_UNTIL_LOST = 150.0  # without a word of a worker: it is killed, or cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """How far a job is."""

    is_complete: bool
    shards: int
    done: int
    running: Sequence[RunningRecord]
    failed: Sequence[FailureRecord]  # given up
    rows: int  # done, and of running shards so far
    bad_rows: int
    rows_per_second: float | None  # while shards were being computed; None: nothing is done
    seconds_left: float | None  # at that speed; None: unknown

    @property
    def waiting(self) -> int:
        """Shards that nobody has begun, or whose worker was lost."""
        return self.shards - self.done - len(self.running) - len(self.failed)


def find_status(folder: JobFolder, *, now: float | None = None) -> JobStatus:
    """Read how far the job of ``folder`` is.

    Args:
        folder: its output.
        now: seconds since 1970; default: the clock's.

    Raises:
        MtlError: the folder is of no job.
    """
    job = folder.read_job()
    if job is None:
        raise MtlError(f"{folder.name} is not the output of `mtl predict --on ENGINE`")
    now = time.time() if now is None else now
    done = folder.read_done(job)
    running = [
        record
        for record in folder.read_running()
        if record.shard not in done and now - record.updated < _SECONDS_UNTIL_LOST
    ]
    busy = {record.shard for record in running}
    failed = [record for number, record in folder.read_failed(job).items() if number not in {*done, *busy}]
    seconds = _seconds_at_work(done.values())
    rows = sum(record.rows + record.bad_rows for record in done.values())
    bytes_done = sum(job.shards[number].bytes for number in done)
    bytes_left = sum(shard.bytes for shard in job.shards) - bytes_done
    return JobStatus(
        is_complete=folder.is_complete,
        shards=len(job.shards),
        done=len(done),
        running=running,
        failed=failed,
        rows=rows + sum(record.rows for record in running),
        bad_rows=sum(record.bad_rows for record in done.values()),
        rows_per_second=rows / seconds if seconds else None,
        seconds_left=seconds * bytes_left / bytes_done if bytes_done else None,
    )


def _seconds_at_work(done: Iterable[PartRecord]) -> float:
    """Seconds in which at least one of these parts was being computed: pauses between runs do not count."""
    spans = sorted((record.finished - record.seconds, record.finished) for record in done)
    total, end = 0.0, float("-inf")
    for start, stop in spans:
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total
