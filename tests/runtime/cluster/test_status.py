"""How far a job is, from its records alone."""

import time

import pytest

from mtl_runtime.cluster.job_folder import JobFolder, RunningRecord
from mtl_runtime.cluster.status import find_status
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError
from tests.runtime.cluster.sharded_jobs import Interrupt, failing_after, make_texts, run, write_input


@pytest.fixture
def started(tmp_path):
    """A job of five shards, of which one is done, one failed, and the process ended in the third."""
    source = write_input(tmp_path / "in.csv", [*make_texts(10), None, *make_texts(18)])
    with pytest.raises(Interrupt):
        run([source], tmp_path / "out", engine=failing_after(2), attempts=1)
    return JobFolder.open(str(tmp_path / "out"))


def test_shards_are_done_running_failed_or_waiting(started):
    status = find_status(started)
    assert (status.shards, status.done, len(status.failed), status.is_complete) == (5, 2, 1, False)
    assert "in.csv, line 16: the row has 1 cells" in status.failed[0].error
    started.note_running(RunningRecord(shard=4, host="elsewhere", pid=1, rows=3, updated=time.time()))
    status = find_status(started)
    assert (len(status.running), status.rows, status.waiting) == (1, 14 + 3, 1)
    lost = find_status(started, now=time.time() + 1000)
    assert (len(lost.running), lost.waiting) == (0, 2)


def test_speed_counts_the_time_at_work_and_not_the_pauses(started):
    job = started.read_job()
    finished = {0: 1000.0, 2: 5000.0}
    for number, record in started.read_done(job).items():
        changed = {**records.to_dict(record), "seconds": 10.0, "finished": finished[number]}
        started.add_done(records.from_dict(type(record), changed))
    status = find_status(started)
    assert status.rows_per_second == pytest.approx(14 / 20)
    left = sum(shard.bytes for shard in job.shards) - job.shards[0].bytes - job.shards[2].bytes
    assert status.seconds_left == pytest.approx(20 * left / (job.shards[0].bytes + job.shards[2].bytes))


def test_parts_that_are_computed_at_once_count_once(started):
    for record in started.read_done(started.read_job()).values():
        changed = {**records.to_dict(record), "seconds": 10.0, "finished": 1000.0 + record.shard}
        started.add_done(records.from_dict(type(record), changed))
    assert find_status(started).rows_per_second == pytest.approx(14 / 12)


def test_a_folder_that_is_no_job_has_no_status(tmp_path):
    with pytest.raises(MtlError, match="is not the output of `mtl predict --on ENGINE`"):
        find_status(JobFolder.open(str(tmp_path)))
