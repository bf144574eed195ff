"""Check that a sharded job survives a kill before each of its steps; test_kills.py runs this in its own process.

    python -m tests.runtime.cluster.kill_at_every_step BUNDLE SOURCE OUTPUT REJECTS

A child kills itself before its n-th step (see tests/runtime/killed_child.py), others resume with further kills, and the
last one ends in peace. Prints the number of kills.
"""

import shutil
import signal
import sys
from pathlib import Path

from mtl_runtime import load
from mtl_runtime.cluster import start_job, worker
from mtl_runtime.cluster.engines.engine import Engine, EngineOptions
from mtl_runtime.cluster.engines.index import run_here
from mtl_runtime.cluster.predict_files import predict_files
from mtl_runtime.cluster.request import FilesRequest
from mtl_runtime.cluster.storage import stores
from mtl_runtime.tables.row_chunks import ChunkLimits
from tests.runtime.killed_child import run_in_child

bundle, source, output, rejects = map(Path, sys.argv[1:])
request = FilesRequest(
    bundle=bundle,
    inputs=[str(source)],
    output=str(output),
    rejects=str(rejects),
    resume=True,
    shard_rows=9,
    limits=ChunkLimits(rows=3),
)
classifier = load(bundle, threads=1)  # no thread is started before the first text, so that a child may be forked
start_job.load = worker.load = lambda path, **options: classifier
stores.sync = lambda path: None  # a kill, unlike a power failure, loses nothing that the kernel has


def in_child(*, kill_before=None):
    """Run the job in a child; how it ended, and how many steps it made."""

    def job():
        predict_files(request, Engine(run=run_here), EngineOptions(), lease_seconds=20.0)

    return run_in_child(job, within=output.parent, kill_before=kill_before)


def outcome():
    files = {path: path.read_bytes() for folder in (output, rejects) for path in folder.iterdir() if path.is_file()}
    assert {path.name for path in output.iterdir() if path.is_dir()} == {"_mtl"}
    assert {path.name for path in (output / "_mtl").iterdir() if path.is_file()} == {"job.json"}
    shutil.rmtree(output)
    shutil.rmtree(rejects)
    return files


code, steps = in_child()
assert code == 0
expected = outcome()
kills = 0
for step in range(1, steps + 1):
    code, _ = in_child(kill_before=step)
    again = 20
    while code:
        kills += 1
        assert code == -signal.SIGKILL, (step, code)
        code, _ = in_child(kill_before=again)
        again += 40
    assert outcome() == expected, step
sys.stdout.write(str(kills))
