"""One rule for outputs: nothing is replaced that may not be, no link is followed, nothing that was written is lost."""

import errno
import os

import pytest

from mtl_runtime.core.atomic_file import atomic_file, replace_text
from mtl_runtime.core.atomic_folder import atomic_folder
from mtl_runtime.core.outputs import check_file, check_folder
from mtl_runtime.errors import MtlError


def write_file(target, *, replace=False, meanwhile=lambda: None):
    with atomic_file(target, replace=replace) as stream:
        stream.write(b"ours")
        meanwhile()


def write_folder(target, *, replace=False, meanwhile=lambda: None):
    with atomic_folder(target, replace=replace) as folder:
        (folder / "a").write_bytes(b"ours")
        meanwhile()


def appear_as_file(target):
    target.write_bytes(b"theirs")


def appear_as_folder(target):
    target.mkdir()
    (target / "a").write_bytes(b"theirs")


def content(target):
    return (target / "a" if target.is_dir() else target).read_bytes()


WRITERS = {"file": (write_file, appear_as_file), "folder": (write_folder, appear_as_folder)}


@pytest.mark.parametrize("kind", WRITERS)
def test_an_output_that_appears_meanwhile_stays_and_ours_is_kept_next_to_it(tmp_path, kind):
    write, appear = WRITERS[kind]
    target = tmp_path / "out"
    with pytest.raises(
        MtlError, match="out appeared while this command worked, and is left as it is; what was"
    ) as caught:
        write(target, meanwhile=lambda: appear(target))
    assert content(target) == b"theirs"
    (kept,) = set(tmp_path.iterdir()) - {target}
    assert content(kept) == b"ours"
    assert str(kept) in str(caught.value)


@pytest.mark.parametrize("kind", WRITERS)
def test_an_output_of_the_other_kind_that_appears_meanwhile_stays(tmp_path, kind):
    write, _ = WRITERS[kind]
    _, appear = WRITERS["folder" if kind == "file" else "file"]
    target = tmp_path / "out"
    with pytest.raises(MtlError, match="appeared while this command worked"):
        write(target, meanwhile=lambda: appear(target))
    assert content(target) == b"theirs"


@pytest.mark.parametrize("kind", WRITERS)
def test_whoever_may_replace_an_output_also_replaces_one_that_appears_meanwhile(tmp_path, kind):
    write, appear = WRITERS[kind]
    target = tmp_path / "out"
    write(target, replace=True, meanwhile=lambda: appear(target))
    assert content(target) == b"ours"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("leads_to", ["there", "nowhere"])
def test_a_link_is_refused_whatever_it_leads_to(tmp_path, kind, replace, leads_to):
    write, appear = WRITERS[kind]
    appear(tmp_path / "there")
    link = tmp_path / "out"
    link.symlink_to(leads_to)
    with pytest.raises(MtlError, match=f"out is a link to {leads_to}; name the output itself"):
        write(link, replace=replace)
    assert content(tmp_path / "there") == b"theirs"
    assert {path.name for path in tmp_path.iterdir()} == {"out", "there"}


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_link_that_appears_meanwhile_is_not_followed(tmp_path, kind, replace):
    write, appear = WRITERS[kind]
    appear(tmp_path / "there")
    with pytest.raises(MtlError, match="out is a link to there"):
        write(tmp_path / "out", replace=replace, meanwhile=lambda: (tmp_path / "out").symlink_to("there"))
    assert content(tmp_path / "there") == b"theirs"


def test_a_file_system_without_hard_links_is_served_too(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_file(tmp_path / "out")
    assert [content(path) for path in tmp_path.iterdir()] == [b"ours"]
    with pytest.raises(MtlError, match="appeared while"):
        write_file(tmp_path / "new", meanwhile=lambda: appear_as_file(tmp_path / "new"))
    assert content(tmp_path / "new") == b"theirs"


@pytest.mark.parametrize("check", [check_file, check_folder])
def test_a_name_that_is_too_long_is_one_line(tmp_path, check):
    with pytest.raises(MtlError, match=r"cannot be written: File name too long$") as caught:
        check(tmp_path / ("x" * 300), replace=False)
    assert len(str(caught.value)) < 300


def test_an_error_of_the_block_is_not_taken_for_one_of_the_output(tmp_path):
    error = OSError(errno.EIO, "somebody else's")

    def fail():
        raise error

    with pytest.raises(OSError, match="somebody else's") as caught:
        write_file(tmp_path / "out", meanwhile=fail)
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a limit of the size of files")
def test_a_full_disk_is_an_error_of_the_output(tmp_path):
    import resource
    import signal

    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, limits[1]))
    try:
        with pytest.raises(MtlError, match="out cannot be written: File too large"):
            write_file(tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_a_small_file_of_ours_is_not_written_through_a_link(tmp_path, linked):
    folder = tmp_path / "evidence"
    (tmp_path / "there").mkdir()
    if linked == "folder":
        folder.symlink_to("there")
    else:
        folder.mkdir()
        (folder / "a.json").symlink_to("../there/a.json")
    with pytest.raises(OSError, match="it is a link"):
        replace_text(folder / "a.json", "ours")
    assert list((tmp_path / "there").iterdir()) == []
