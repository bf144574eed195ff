"""A folder is whole or absent, whatever happens while it is written."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mtl_runtime.core.atomic_folder import atomic_folder
from mtl_runtime.core.outputs import check_folder
from mtl_runtime.errors import MtlError


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def existing(folder):
    folder.mkdir()
    (folder / "old").write_text("old")
    return folder


def fail_in(target, error):
    with atomic_folder(target, replace=True) as staging:
        (staging / "a").write_text("half")
        raise error


def test_a_folder_appears_whole_when_the_block_ends(tmp_path):
    target = tmp_path / "deep" / "er" / "target"
    with atomic_folder(target) as staging:
        assert list(staging.iterdir()) == []
        (staging / "a").write_text("1")
        (staging / "sub").mkdir()
        (staging / "sub" / "b").write_text("2")
        assert not target.exists()
    assert content(target) == {"a": "1", "sub/b": "2"}
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_can_be_read_by_others(tmp_path):
    with atomic_folder(tmp_path / "target"):
        pass
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing_behind(tmp_path, error):
    with pytest.raises(error):
        fail_in(tmp_path / "target", error())
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_old_folder_as_it_was(tmp_path):
    target = existing(tmp_path / "target")
    with pytest.raises(ValueError, match="stop"):
        fail_in(target, ValueError("stop"))
    assert content(target) == {"old": "old"}
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_folder_is_refused_before_anything_is_written(tmp_path):
    target = existing(tmp_path / "target")
    reached = False
    with pytest.raises(MtlError, match="exists already; name another output, or replace it with --force"):  # noqa: SIM117
        with atomic_folder(target):
            reached = True
    assert not reached
    assert content(target) == {"old": "old"}
    assert list(tmp_path.iterdir()) == [target]


def test_force_replaces_a_folder_and_keeps_nothing_of_it(tmp_path):
    target = existing(tmp_path / "target")
    with atomic_folder(target, replace=True) as staging:
        (staging / "new").write_text("new")
        assert content(target) == {"old": "old"}
    assert content(target) == {"new": "new"}
    assert list(tmp_path.iterdir()) == [target]


def test_an_empty_folder_is_no_obstacle(tmp_path):
    (tmp_path / "target").mkdir()
    with atomic_folder(tmp_path / "target") as staging:
        (staging / "new").write_text("new")
    assert content(tmp_path / "target") == {"new": "new"}


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_never_replaced_by_a_folder(tmp_path, force):
    file = tmp_path / "target"
    file.write_text("mine")
    with pytest.raises(MtlError, match="is not a folder; name another output"):
        check_folder(file, replace=force)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("target", [".", "..", "/", "a/.."])
def test_a_target_without_a_name_of_its_own_is_refused(target):
    with pytest.raises(MtlError, match="name another output"):
        check_folder(Path(target), replace=True)


def test_a_target_that_is_free_passes_the_check(tmp_path):
    check_folder(tmp_path / "new", replace=False)
    check_folder(existing(tmp_path / "old"), replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]


KILLED = """
import os, signal, sys
from pathlib import Path
from mtl_runtime.core.atomic_folder import atomic_folder
with atomic_folder(Path(sys.argv[1]), replace=True) as staging:
    (staging / "a").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("before", [None, {"old": "old"}])
def test_a_process_killed_while_it_writes_leaves_no_half_folder(tmp_path, before):
    target = tmp_path / "target" if before is None else existing(tmp_path / "target")
    process = subprocess.run([sys.executable, "-c", KILLED, str(target)], timeout=60, check=False)
    assert process.returncode == -signal.SIGKILL
    assert any("a" in content(path) for path in tmp_path.iterdir())  # it had begun
    assert (content(target) if target.exists() else None) == before
    with atomic_folder(target, replace=True) as staging:
        (staging / "new").write_text("new")
    assert content(target) == {"new": "new"}
