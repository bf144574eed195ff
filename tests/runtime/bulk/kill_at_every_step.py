"""Check that a job survives a kill before each of its steps; test_resumable.py runs this in its own process.

    python kill_at_every_step.py BUNDLE SOURCE TARGET REJECTS

A step is whatever the kernel is asked to change: a file opened for writing, renamed, linked, cut, removed, a folder
made or removed. A child forked for the purpose kills itself before its n-th step, others resume with further kills, and
the last one ends in peace. Prints the number of steps.
"""

import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

from mtl_runtime import load
from mtl_runtime.bulk.predict_file import predict_file
from mtl_runtime.bulk.work_folder import work_folder_path
from mtl_runtime.tables.row_chunks import ChunkLimits

bundle, source, target, rejects = map(Path, sys.argv[1:])
classifier = load(bundle, threads=1)  # no thread is started before the first text, so that a child may be forked
removed = work_folder_path(target).with_name(f"{work_folder_path(target).name}-removed")
STEPS = {"os.rename", "os.link", "os.truncate", "os.remove", "os.mkdir", "os.rmdir"}


def changes(event, args):
    written = event == "open" and isinstance(args[0], str | Path) and args[2] & (os.O_WRONLY | os.O_RDWR)
    return (written or event in STEPS) and str(target.parent) in str(args[0])


def in_child(*, kill_before=None):
    """Run the job in a child; how it ended, and how many steps it made."""
    counter, count = os.pipe()
    child = os.fork()
    if child:
        os.close(count)
        with os.fdopen(counter, "rb") as stream:
            steps = len(stream.read())
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), steps

    made = 0

    def hook(event, args):
        nonlocal made
        if changes(event, args):
            made += 1
            if made == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(count, b".")

    try:
        sys.addaudithook(hook)
        predict_file(classifier, source, target, rejects=rejects, resume=True, limits=ChunkLimits(rows=3))
        os._exit(0)
    finally:  # whatever happens, the child must not go on as its parent
        traceback.print_exc()
        os._exit(1)


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
