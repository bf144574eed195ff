"""Check that a job survives a kill before each of its steps; test_resumable.py runs this in its own process.

    python -m tests.runtime.bulk.kill_at_every_step BUNDLE SOURCE TARGET REJECTS

A child kills itself before its n-th step (see tests/runtime/killed_child.py), others resume with further kills, and the
last one ends in peace. Prints the number of steps.
"""

import shutil
import signal
import sys
from pathlib import Path

from mtl_runtime import load
from mtl_runtime.bulk.predict_file import predict_file
from mtl_runtime.bulk.work_folder import work_folder_path
from mtl_runtime.tables.row_chunks import ChunkLimits
from tests.runtime.killed_child import run_in_child

bundle, source, target, rejects = map(Path, sys.argv[1:])
classifier = load(bundle, threads=1)  # no thread is started before the first text, so that a child may be forked
removed = work_folder_path(target).with_name(f"{work_folder_path(target).name}-removed")


def in_child(*, kill_before=None):
    """Run the job in a child; how it ended, and how many steps it made."""

    def job():
        predict_file(classifier, source, target, rejects=rejects, resume=True, limits=ChunkLimits(rows=3))

    return run_in_child(job, within=target.parent, kill_before=kill_before)


def outcome():
    outputs = target.read_bytes(), rejects.read_bytes()
    shutil.rmtree(removed, ignore_errors=True)
    assert {file.name for file in target.parent.iterdir()} == {source.name, target.name, rejects.name}
    target.unlink()
    rejects.unlink()
    return outputs


code, steps = in_child()
assert code == 0
expected = outcome()
for step in range(1, steps + 1):
    code, _ = in_child(kill_before=step)
    assert code == -signal.SIGKILL, (step, code)
    again = 1
    # A job whose folder is gone is done; a further run would find its output in the way.
    while work_folder_path(target).exists() or not target.exists():
        code, _ = in_child(kill_before=again + 7)  # a few steps further each time
        again += 9
        assert code in (0, -signal.SIGKILL), (step, code)
    assert outcome() == expected, step
sys.stdout.write(str(steps))
