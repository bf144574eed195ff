"""What is half-written is removed once its writer has ended, and never while it may be at work."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from mtl_runtime.cluster.job_folder import SUCCESS, JobFolder
from mtl_runtime.cluster.processes import is_gone
from mtl_runtime.cluster.storage.staging import staging_prefix
from mtl_runtime.cluster.storage.stores import LocalStore, open_store

HERE, ELSEWHERE = socket.gethostname(), "node-7.example-cluster"
HOUR = 3600


@pytest.fixture
def ended():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.fixture(params=["file", "folder"])
def stage(request, tmp_path):
    """A half-written file, or one in a folder, of a process, that was last written so many seconds ago."""

    def stage(host, pid, *, ago=0.0):
        staged = tmp_path / f".mtl-{host}-{pid}-1f2e3d4c"
        if request.param == "folder":
            staged.mkdir()
            part = staged / "part-000001-1f2e3d4c.csv"
            part.write_bytes(b"text\n")
            os.utime(staged, (0, 0))
        else:
            part = staged
            part.write_bytes(b"{}")
        os.utime(part, (time.time() - ago, time.time() - ago))
        return staged

    return stage


def remains(staged):
    open_store(str(staged.parent)).remove_staging()
    return staged.exists()


def test_what_a_process_of_this_machine_left_is_removed_once_it_has_ended(stage, ended):
    assert not remains(stage(HERE, ended))


def test_what_a_living_process_of_this_machine_writes_is_left(stage):
    assert remains(stage(HERE, os.getppid()))
    assert remains(stage(HERE, os.getpid()))


@pytest.mark.parametrize(("ago", "is_left"), [(0, True), (HOUR - 60, True), (HOUR + 60, False)])
def test_a_process_of_another_machine_has_ended_after_an_hour_of_silence(stage, ended, ago, is_left):
    assert remains(stage(ELSEWHERE, ended, ago=ago)) is is_left


def test_a_name_without_a_process_is_judged_by_its_age(tmp_path):
    (tmp_path / ".mtl-").write_bytes(b"")
    assert remains(tmp_path / ".mtl-")


def test_names_say_who_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: ELSEWHERE)
    assert staging_prefix() == f".mtl-{ELSEWHERE}-{os.getpid()}-"
    with LocalStore(tmp_path).staging() as folder:
        assert folder.name.startswith(staging_prefix())


def test_two_processes_that_complete_a_job_in_the_same_moment_both_succeed(tmp_path, monkeypatch):
    """The last ones of an array see that all parts are done, and both say so: one must not take the other's file."""
    first, second = JobFolder.open(str(tmp_path)), JobFolder.open(str(tmp_path))
    place = LocalStore.place

    def let_the_other_finish_first(store, staged, name):
        if name == SUCCESS:
            monkeypatch.setattr(LocalStore, "place", place)
            as_parent = staged.with_name(staged.name.replace(str(os.getpid()), str(os.getppid())))
            staged.rename(as_parent)  # another living process is at this point
            second.finish(b"{}", b"digest")
            assert as_parent.exists()
            staged = as_parent
        place(store, staged, name)

    monkeypatch.setattr(LocalStore, "place", let_the_other_finish_first)
    first.finish(b"{}", b"digest")
    assert first.store.read(SUCCESS) == b"digest"
    assert first.is_complete


def test_a_file_that_vanishes_while_a_folder_is_listed_hides_no_other(tmp_path, monkeypatch):
    store = LocalStore(tmp_path)
    store.write("part-000001.csv", b"text\n")
    (tmp_path / ".mtl-staged").write_bytes(b"{}")
    scan = os.scandir

    @contextmanager
    def scan_before_a_move(folder):
        with scan(folder) as entries:
            found = list(entries)
        (tmp_path / ".mtl-staged").unlink()
        yield iter(found)

    monkeypatch.setattr("os.scandir", scan_before_a_move)
    assert store.list() == {"part-000001.csv": 5}


def test_a_process_that_cannot_be_known_to_have_ended_is_not_gone(ended, monkeypatch):
    assert is_gone(HERE, ended)
    assert not is_gone(ELSEWHERE, ended)
    assert not is_gone(HERE, os.getpid())
    monkeypatch.setattr("os.kill", lambda pid, number: pytest.fail("Ctrl-C on Windows"))
    monkeypatch.setattr("os.name", "nt")
    assert not is_gone(HERE, ended)
