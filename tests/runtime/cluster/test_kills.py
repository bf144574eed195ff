"""Real processes, killed without notice: what is resumed ends in the bytes of a job that was not."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mtl_runtime.cluster.engines.engine import EngineOptions
from mtl_runtime.cluster.engines.local import run_on_processes
from mtl_runtime.errors import MtlError
from mtl_runtime.tables.row_chunks import ChunkLimits
from tests.runtime.bulk.bulk_jobs import POSIX
from tests.runtime.cluster.sharded_jobs import HERE, TINY_BUNDLE, contents, make_texts, run, write_input

SCRIPT = "tests.runtime.cluster.kill_at_every_step"
LOCAL = type(HERE)(run=run_on_processes)


def mtl(*arguments, **variables):
    """`mtl` as a process."""
    code = "from mtl_runtime.cli.start import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@POSIX
def test_a_kill_before_any_step_loses_and_doubles_nothing(bundle_path, tmp_path):
    source = write_input(tmp_path / "in.jsonl", [None if n == 12 else text for n, text in enumerate(make_texts(16))])
    done = subprocess.run(
        [sys.executable, "-m", SCRIPT, bundle_path, source, tmp_path / "out", tmp_path / "rejects"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 30


def children_of(pid):
    listed = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if line.split()[1] != "ps"]


@POSIX
def test_workers_that_are_killed_are_replaced_and_their_shards_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_runtime.cluster.predict_files._MOST_SECONDS_BETWEEN_ROUNDS", 0.1)
    source = write_input(tmp_path / "in.csv", make_texts(60))
    run([source], tmp_path / "plain")
    others, killed = set(children_of(os.getpid())), []  # of tests before this one

    def kill_some(task, shards, options):
        for outcome in run_on_processes(task, shards, options):
            yield outcome
            if len(killed) < 3 and (workers := set(children_of(os.getpid())) - others):
                worker = min(workers)
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed.append(worker)

    options = EngineOptions(processes=2)
    run([source], tmp_path / "out", engine=type(HERE)(run=kill_some), options=options, attempts=9)
    assert len(killed) == 3
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")
    assert set(children_of(os.getpid())) <= others


def test_a_shard_that_kills_its_workers_is_given_up_and_the_rest_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_runtime.cluster.predict_files._MOST_SECONDS_BETWEEN_ROUNDS", 0.1)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    (tmp_path / "deadly.py").write_text(
        "import os\n"
        "from mtl_runtime.cluster.engines import local_worker\n"
        "from mtl_runtime.cluster.worker import ShardWorker\n"
        "run = ShardWorker.run\n"
        "ShardWorker.run = lambda self, shard: os._exit(9) if shard == 1 else run(self, shard)\n"
        "local_worker.main()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("mtl_runtime.cluster.engines.local._WORKER", ("-m", "deadly"))
    source = write_input(tmp_path / "in.csv", make_texts(30))
    problem = r"1 of 5 shards failed, 4 are done; shard 1: worker process \d+ ended with exit code 9"
    with pytest.raises(MtlError, match=problem):
        run([source], tmp_path / "out", engine=LOCAL, options=EngineOptions(processes=2))


def test_a_worker_that_cannot_open_the_bundle_stops_the_job_with_its_reason(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(30))

    def elsewhere(task, shards, options):
        return run_on_processes(replace(task, bundle=str(tmp_path / "absent")), shards, options)

    with pytest.raises(MtlError, match="absent"):
        run([source], tmp_path / "out", engine=type(HERE)(run=elsewhere))


@POSIX
def test_a_driver_that_is_killed_leaves_no_worker_and_is_resumed(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(200))
    run([source], tmp_path / "plain", shard_rows=5, limits=ChunkLimits())
    job = ["predict", TINY_BUNDLE, source, "-o", tmp_path / "out", "--on", "local", "--processes", "2"]
    job += ["--shard-rows", "5", "--resume"]
    draw = random.Random(1)
    for _ in range(6):
        driver = mtl(*job)
        deadline = time.monotonic() + 1.5 + draw.random()
        workers = []
        while driver.poll() is None and time.monotonic() < deadline:
            workers = children_of(driver.pid) or workers
            time.sleep(0.02)
        driver.kill()
        driver.communicate()
        give_up = time.monotonic() + 10
        while any(Path(f"/proc/{pid}/status").exists() for pid in workers) and time.monotonic() < give_up:
            time.sleep(0.05)
        assert not any(Path(f"/proc/{pid}/status").exists() for pid in workers)
    driver = mtl(*job)
    _, errors = driver.communicate()
    assert driver.returncode == 0, errors
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")


@POSIX
def test_processes_of_an_array_that_are_killed_are_started_again(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(120))
    run([source], tmp_path / "plain", shard_rows=5, limits=ChunkLimits())
    job = ["predict", TINY_BUNDLE, source, "-o", tmp_path / "out", "--on", "index:2", "--shard-rows", "5"]
    draw = random.Random(2)
    for _ in range(3):
        pods = [mtl(*job, JOB_COMPLETION_INDEX=str(index)) for index in range(2)]
        time.sleep(1.0 + draw.random())
        for pod in pods:
            pod.kill()
            pod.communicate()
    slurm = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "1"}
    job[job.index("index:2")] = "index"
    pods = [mtl(*job, SLURM_ARRAY_TASK_ID=str(number), **slurm) for number in (1, 2)]
    errors = [pod.communicate()[1] for pod in pods]
    assert [pod.returncode for pod in pods] == [0, 0], errors
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")
