"""Inputs and outputs where they may be: links, hidden names, folders in each other, and what is no file."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from mtl_runtime.cluster.engines.engine import EngineOptions
from mtl_runtime.cluster.engines.index import select_by_index
from mtl_runtime.cluster.job_folder import JobFolder, RunningRecord
from mtl_runtime.cluster.manifest import check_output, read_manifest
from mtl_runtime.cluster.storage.input_files import list_inputs
from mtl_runtime.errors import MtlError
from tests.runtime.cluster.sharded_jobs import HERE, contents, make_texts, run, write_input

POSIX = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")


@pytest.fixture
def texts(tmp_path):
    """A folder with a file, a folder below, hidden ones, and a file elsewhere."""
    for name in ("in/a.csv", "in/b/c.csv", "in/_d.csv", "in/_e/f.csv", "elsewhere/g.csv"):
        write_input(tmp_path / name, make_texts(3))
    return tmp_path


def listed(folder, *names):
    return [os.path.relpath(file.path, folder) for file in list_inputs(str(folder / name) for name in names)]


@POSIX
def test_folders_behind_links_are_read_and_links_that_lead_back_are_not_followed_for_ever(texts):
    (texts / "in" / "link").symlink_to(texts / "elsewhere")
    (texts / "in" / "b" / "back").symlink_to(texts / "in")
    assert listed(texts, "in") == ["in/a.csv", "in/b/c.csv", "in/link/g.csv"]
    assert listed(texts, "in/*") == ["in/a.csv", "in/b/c.csv", "in/link/g.csv"]


@POSIX
@pytest.mark.parametrize("second", ["in/../in/a.csv", "in/./a.csv", "in/*.csv", "in", "alias.csv", "alias/a.csv"])
def test_a_file_that_is_named_twice_is_refused_by_whatever_names(texts, second):
    (texts / "alias.csv").symlink_to(texts / "in" / "a.csv")
    (texts / "alias").symlink_to(texts / "in")
    with pytest.raises(MtlError, match="the same file twice among the inputs; name it once"):
        listed(texts, "in/a.csv", second)


def test_patterns_leave_out_what_folders_do_unless_they_ask_for_it(texts):
    assert listed(texts, "in/*") == listed(texts, "in/**") == listed(texts, "in") == ["in/a.csv", "in/b/c.csv"]
    assert listed(texts, "in/*.csv") == ["in/a.csv"]
    assert listed(texts, "*/*.csv") == ["elsewhere/g.csv", "in/a.csv"]
    assert listed(texts, "in/_*.csv") == ["in/_d.csv"]
    assert listed(texts, "in/_e/*.csv") == ["in/_e/f.csv"]


@POSIX
def test_a_folder_that_cannot_be_read_is_no_empty_one(texts, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything
    with pytest.raises(MtlError, match=r"in/b cannot be listed: Permission denied"):
        listed(texts, "in")


@POSIX
@pytest.mark.parametrize("name", ["in", "in/pipe.csv", "in/p*"])
def test_a_pipe_is_no_input(texts, name):
    os.mkfifo(texts / "in" / "pipe.csv")
    with pytest.raises(MtlError, match=r"pipe\.csv is no file that can be read twice"):
        listed(texts, name)


def test_an_output_that_would_be_an_input_next_time_is_refused_before_anything_is_written(texts):
    with pytest.raises(
        MtlError, match=r"the output .*answers lies in the input .*in, so that its parts would be inputs"
    ):
        run([texts / "in"], texts / "in" / "answers")
    with pytest.raises(MtlError, match="lies in the input"):
        run([texts / "in"], texts / "in")
    assert not any((texts / "in" / "answers").iterdir())
    hidden = texts / "in" / "_answers"
    first = run([texts / "in"], hidden)
    assert (first.rows, run([texts / "in"], hidden, resume=True).finished_before) == (6, True)


@pytest.mark.parametrize("place", ["out", "out/rejects", "in/../out"])
def test_bad_rows_are_not_written_among_the_answers(texts, place):
    source = write_input(texts / "bad.jsonl", [*make_texts(3), None])
    with pytest.raises(MtlError, match=r"--rejects .* lies in the output; name another folder"):
        run([source], texts / "out", rejects=str(texts / place))
    assert not any((texts / "out").iterdir())


def test_a_file_for_the_bad_rows_is_refused_before_the_work(texts):
    source = write_input(texts / "bad.jsonl", [*make_texts(3), None])
    (texts / "bad").write_text("mine")
    with pytest.raises(MtlError, match="is a file; name a folder for the bad rows of all parts"):
        run([source], texts / "out", rejects=str(texts / "bad"))
    assert not any((texts / "out").iterdir())


def test_bad_rows_of_a_complete_job_are_written_when_they_are_asked_for_later(texts):
    source = write_input(texts / "bad.jsonl", [*make_texts(3), None])
    assert run([source], texts / "out", on_bad_row="skip").bad_rows == 1
    assert run([source], texts / "out", on_bad_row="skip", rejects=str(texts / "bad"), resume=True).finished_before
    assert len(list((texts / "bad").iterdir())) == 1


@pytest.mark.parametrize("damage", ["missing", "shorter"])
def test_a_complete_output_whose_part_is_missing_is_completed_again(texts, damage):
    run([texts / "in"], texts / "out", shard_rows=1)
    expected = contents(texts / "out")
    part = next((texts / "out").glob("part-000002-*"))
    part.unlink() if damage == "missing" else part.write_bytes(part.read_bytes()[:-1])
    summary = run([texts / "in"], texts / "out", shard_rows=1, resume=True)
    assert (summary.is_complete, summary.finished_before) == (True, False)
    assert contents(texts / "out") == expected


def test_a_folder_among_the_parts_is_found_before_a_job_and_after_it(texts):
    write_input(texts / "out" / "old" / "x.csv", make_texts(2))
    with pytest.raises(MtlError, match="exists already and holds old"):
        run([texts / "in"], texts / "out")
    shutil.rmtree(texts / "out")
    run([texts / "in"], texts / "out")
    write_input(texts / "out" / "old" / "x.csv", make_texts(2))
    folder = JobFolder.open(str(texts / "out"))
    (problem,) = check_output(folder, read_manifest(folder))
    assert (problem.name, "no part of this job" in problem.problem) == ("old/", True)


def test_the_processes_of_an_array_do_not_start_over(texts):
    array = replace(HERE, select=select_by_index)
    with pytest.raises(MtlError, match="--force is not for the processes of an array"):
        run([texts / "in"], texts / "out", engine=array, options=EngineOptions(where="1"), overwrite=True)


def test_a_job_on_which_an_array_works_is_not_replaced(texts):
    run([texts / "in"], texts / "out")
    folder = JobFolder.open(str(texts / "out"))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        host = next(iter(folder.read_done(folder.read_job()).values())).host
        note = RunningRecord(shard=0, host=host, pid=other.pid, rows=0, updated=time.time())
        folder.note_running(note)
        with pytest.raises(MtlError, match=rf"process {other.pid} on .* works on .*out; stop it"):
            run([texts / "in"], texts / "out", overwrite=True)
        folder.note_running(replace(note, updated=time.time() - 3600))
        assert run([texts / "in"], texts / "out", overwrite=True).is_complete
        folder.note_running(note)
        other.kill()
    assert run([texts / "in"], texts / "out", overwrite=True).is_complete


def test_a_process_of_another_machine_with_this_ones_number_is_at_work(texts):
    """In containers both are often number 1."""
    run([texts / "in"], texts / "out")
    note = RunningRecord(shard=0, host="node-7", pid=os.getpid(), rows=0, updated=time.time())
    JobFolder.open(str(texts / "out")).note_running(note)
    with pytest.raises(MtlError, match=rf"process {os.getpid()} on node-7 works on .*out; stop it"):
        run([texts / "in"], texts / "out", overwrite=True)
