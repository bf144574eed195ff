"""Work that is begun early gives its result, or its exception, to whoever waits for it, and outlives no block."""

import subprocess
import sys
import threading

import pytest

from mtl_runtime import load, variant_session
from mtl_runtime.beginnings import begin
from mtl_runtime.errors import IntegrityError


def test_the_work_goes_on_while_the_caller_does_and_its_result_can_be_asked_for_twice():
    gate = threading.Event()
    with begin(lambda: gate.wait(10)) as wait:
        gate.set()
        assert wait()
        assert wait()


def test_what_the_work_raises_is_raised_where_it_is_waited_for():
    def fail():
        raise LookupError("no such file")

    with begin(fail) as wait:
        for _ in range(2):
            with pytest.raises(LookupError, match="no such file"):
                wait()


def test_what_the_block_raises_comes_out_of_it_and_after_the_work():
    slow = threading.Event()
    ended = []

    def work():
        slow.wait(0.3)
        ended.append(True)

    with pytest.raises(ValueError, match="the block's"), begin(work):
        raise ValueError("the block's")
    assert ended


def test_a_load_that_fails_while_files_are_hashed_leaves_no_thread(bundle_copy, monkeypatch):
    (bundle_copy / "tokenizer.json").unlink()
    monkeypatch.setattr(variant_session, "checked_graph", lambda *_: threading.Event().wait(0.3))
    before = threading.active_count()
    with pytest.raises(IntegrityError, match=r"tokenizer\.json: is missing"):
        load(bundle_copy)
    assert threading.active_count() == before


def test_a_load_that_fails_ends_the_process_in_order(bundle_copy):
    (bundle_copy / "tokenizer.json").unlink()
    program = f"from mtl_runtime import load\nload({str(bundle_copy)!r})"
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("mtl_runtime.errors.IntegrityError: tokenizer.json: is missing")
