"""Work that is begun early gives its result, or its exception, to whoever waits for it."""

import subprocess
import sys
import threading

import pytest

from mtl_runtime.beginnings import begin


def test_the_work_goes_on_while_the_caller_does_and_its_result_can_be_asked_for_twice():
    gate = threading.Event()
    wait = begin(lambda: gate.wait(10))
    gate.set()
    assert wait()
    assert wait()


def test_what_the_work_raises_is_raised_where_it_is_waited_for():
    def fail():
        raise LookupError("no such file")

    wait = begin(fail)
    for _ in range(2):
        with pytest.raises(LookupError, match="no such file"):
            wait()


def test_a_load_that_fails_while_files_are_hashed_ends_the_process_in_order(bundle_copy):
    (bundle_copy / "tokenizer.json").unlink()
    program = f"from mtl_runtime import load\nload({str(bundle_copy)!r})"
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("mtl_runtime.errors.IntegrityError: tokenizer.json: is missing")
