"""One process at a time holds a lock file, and whatever ends that process releases it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import filelock
import pytest

from mtl_runtime.core.file_lock import exclusive_lock
from mtl_runtime.errors import MtlError

HOLD = """
import sys
from pathlib import Path
from mtl_runtime.core.file_lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), what="out.csv"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lock_file(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work" / "lock"


@pytest.fixture
def holder(lock_file):
    """Another process that holds the lock until its stdin is closed."""
    argv = [sys.executable, "-c", HOLD, lock_file]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def refused(lock_file):
    with pytest.raises(MtlError) as caught, exclusive_lock(lock_file, what="out.csv"):
        raise AssertionError("the lock is held twice")
    return str(caught.value)


def test_a_lock_that_another_process_holds_is_an_error_at_once_and_names_the_output(lock_file, holder):
    assert refused(lock_file) == "another process is writing out.csv; wait until it ends, or name another output"


def test_a_lock_is_free_after_its_block(lock_file):
    for _ in range(2):
        with exclusive_lock(lock_file, what="out.csv"):
            pass
    with pytest.raises(ZeroDivisionError), exclusive_lock(lock_file, what="out.csv"):
        raise ZeroDivisionError
    with exclusive_lock(lock_file, what="out.csv"):
        pass


def test_a_killed_process_holds_no_lock(lock_file, holder):
    holder.kill()
    holder.wait()
    with exclusive_lock(lock_file, what="out.csv"):
        pass


def test_threads_of_one_process_exclude_each_other_too(lock_file):
    with exclusive_lock(lock_file, what="out.csv"):
        assert "another process is writing" in refused(lock_file)
        with ThreadPoolExecutor(1) as pool:
            assert "another process is writing" in pool.submit(refused, lock_file).result()


@pytest.mark.skipif(sys.platform == "win32", reason="there an open file keeps its folder from being renamed")
@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_lock_file_that_its_holder_removed_just_before_protects_nothing(lock_file, monkeypatch, is_made_again):
    acquire = filelock.FileLock.acquire

    def acquire_after_removal(self, **arguments):
        lock = acquire(self, **arguments)
        lock_file.parent.rename(lock_file.parent.with_name("removed"))
        if is_made_again:
            lock_file.parent.mkdir()
            lock_file.touch()
        return lock

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire_after_removal)
    assert "another process is writing" in refused(lock_file)


@pytest.mark.skipif(sys.platform == "win32", reason="there an open file keeps its folder from being renamed")
def test_a_lock_file_that_was_removed_between_opening_and_locking_protects_nothing(lock_file, monkeypatch):
    acquire = filelock.FileLock.acquire

    def remove_and_acquire(self, **arguments):
        lock_file.parent.rename(lock_file.parent.with_name("removed"))
        return acquire(self, **arguments)

    monkeypatch.setattr(filelock.FileLock, "acquire", remove_and_acquire)
    assert "another process is writing" in refused(lock_file)
