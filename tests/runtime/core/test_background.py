"""Background work gives its result or its exception to the caller that waits, and ends before its block does."""

import gc
import subprocess
import sys
import threading
import weakref

import pytest

from mtl_runtime import load
from mtl_runtime.core.background import run_in_background
from mtl_runtime.errors import IntegrityError
from mtl_runtime.providers import variant_session


def test_the_work_runs_while_the_caller_continues():
    gate = threading.Event()
    with run_in_background(lambda: gate.wait(10)) as wait:
        gate.set()
        assert wait()


def test_what_the_work_raises_is_raised_where_it_is_waited_for_and_then_forgotten():
    class Large:
        pass

    def fail():
        large = Large()
        alive.append(weakref.ref(large))
        raise LookupError("no such file")

    alive = []
    gc.disable()
    try:
        with run_in_background(fail) as wait, pytest.raises(LookupError, match="no such file") as caught:
            wait()
        del caught
        assert alive[0]() is None
    finally:
        gc.enable()


def test_what_the_block_raises_comes_out_of_it_and_after_the_work():
    ended = []

    def work():
        threading.Event().wait(0.3)
        ended.append(True)

    with pytest.raises(ValueError, match="the block's"), run_in_background(work):
        raise ValueError("the block's")
    assert ended


@pytest.mark.skipif(sys.platform == "win32", reason="no process here can be sent SIGINT")
def test_an_interrupted_block_still_waits_for_the_work():
    program = """
import os, signal, threading, time
from mtl_runtime.core.background import run_in_background
def work():
    time.sleep(0.6)
    print("worked", flush=True)
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    with run_in_background(work) as wait:
        wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("worked\ninterrupted\n", "")


def test_a_load_that_fails_while_files_are_hashed_leaves_no_thread(bundle_copy, monkeypatch):
    ended = []
    (bundle_copy / "tokenizer.json").unlink()
    monkeypatch.setattr(variant_session, "verified_graph_path", lambda *_: ended.append(threading.Event().wait(0.3)))
    with pytest.raises(IntegrityError, match=r"tokenizer\.json: is missing"):
        load(bundle_copy)
    assert ended
