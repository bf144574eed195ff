"""Folders on disk, and on filesystems without a rename that is whole, behave alike."""

import threading

import pytest

from mtl_runtime.cluster.storage.file_systems import open_remote
from mtl_runtime.cluster.storage.input_files import find_file, list_inputs, open_stored
from mtl_runtime.cluster.storage.stores import RemoteStore, open_store
from mtl_runtime.errors import MissingPackageError, MtlError, TableError
from tests.runtime.cluster.sharded_jobs import contents, make_texts, run, write_input

fsspec = pytest.importorskip("fsspec", reason="other filesystems need fsspec")


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    return system


@pytest.fixture(params=["local", "memory", "renaming"])
def store(request, tmp_path, memory):
    if request.param == "local":
        yield open_store(str(tmp_path / "out"))
        return
    opened = open_store("memory://bucket/out")
    if request.param == "renaming":
        opened.system.protocol = ("sftp",)  # of this instance: one that is not known to put whole files
    yield opened
    vars(opened.system).pop("protocol", None)


def test_files_are_read_as_they_were_written(store, tmp_path):
    assert store.read("_mtl/a.json") is None
    assert store.list("_mtl") == {}
    store.write("_mtl/a.json", b"one")
    store.write("_mtl/a.json", b"two!")
    with store.staging() as folder:
        (folder / "part").write_bytes(b"three")
        store.place(folder / "part", "part-0.csv")
    assert store.read("_mtl/a.json") == b"two!"
    assert store.list("_mtl") == {"a.json": 4}
    assert store.list() == {"part-0.csv": 5}
    with store.open("part-0.csv") as stream:
        assert stream.read() == b"three"
    store.remove("part-0.csv", "absent")
    store.remove_folder("_mtl")
    store.remove_folder("absent")
    assert store.list() == store.list("_mtl") == {}


def test_a_file_that_another_writer_has_just_replaced_is_replaced(store, monkeypatch):
    store.write("_SUCCESS", b"one")
    if isinstance(store, RemoteStore):
        remove = type(store.system).rm_file

        def remove_after_another(system, path):
            remove(system, path)
            if path.endswith("/_SUCCESS"):
                raise FileNotFoundError(path)

        monkeypatch.setattr(type(store.system), "rm_file", remove_after_another)
    store.write("_SUCCESS", b"two!")
    assert store.read("_SUCCESS") == b"two!"


def test_of_many_that_create_a_file_one_does(store):
    created = []
    threads = [
        threading.Thread(target=lambda n=n: created.append((store.create("job.json", b"%d" % n), n))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if isinstance(store, RemoteStore):  # this filesystem's condition is not atomic; the last one has the file
        assert store.read("job.json") in {b"%d" % n for n in range(8)}
        assert not store.create("job.json", b"later")
    else:
        assert [n for is_first, n in created if is_first] == [int(store.read("job.json"))]


def test_a_job_on_another_filesystem_gives_the_bytes_of_one_on_disk(memory, tmp_path):
    texts = make_texts(40)
    for name in ("a.csv", "b.jsonl"):
        source = write_input(tmp_path / "in" / name, texts)
        memory.pipe_file(f"/bucket/in/{name}", source.read_bytes())
    run([tmp_path / "in"], tmp_path / "out")
    summary = run(["memory://bucket/in"], "memory://bucket/out")
    assert summary.is_complete
    parts = {name: data for name, data in contents(tmp_path / "out").items() if name.startswith("part-")}
    remote = {path.rpartition("/")[2]: data for path, data in memory.cat("/bucket/out/part-*").items()}
    assert list(remote.values()) == list(parts.values())
    assert run(["memory://bucket/in/"], "memory://bucket/out/", resume=True).finished_before
    with pytest.raises(MtlError, match="is an input and lies in the output"):
        run(["memory://bucket/out/part-*"], "memory://bucket/out", resume=True)


def test_inputs_on_another_filesystem_are_named_by_their_urls(memory):
    memory.pipe({"/bucket/in/b.txt": b"good\n", "/bucket/in/a.txt": b"bad\n", "/bucket/in/_SUCCESS": b""})
    files = list_inputs(["memory://bucket/in"])
    assert [file.path for file in files] == ["memory://bucket/in/a.txt", "memory://bucket/in/b.txt"]
    assert [file.path for file in list_inputs(["memory://bucket/in/*.txt"])] == [file.path for file in files]
    assert list_inputs([files[0].path]) == files[:1] == [find_file(files[0].path)]
    with open_stored(files[0].path) as stream:
        assert stream.read() == b"bad\n"
    memory.rm("/bucket/in/a.txt")
    with pytest.raises(TableError, match="cannot be opened"):
        find_file(files[0].path)


def test_an_error_about_a_file_has_its_url(memory):
    memory.pipe_file("/bucket/in.jsonl", b'{"text": "good"}\n' * 30 + b"broken\n")
    with pytest.raises(MtlError, match=r"memory://bucket/in\.jsonl, line \d+: not valid JSON.*counted from byte"):
        run(["memory://bucket/in.jsonl"], "memory://bucket/out")


@pytest.mark.parametrize("url", ["nosuch://bucket/in", "sftp://host/in"])
def test_a_url_that_nothing_here_opens_is_an_error_of_the_caller(url, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "paramiko", None)
    with pytest.raises((MissingPackageError, MtlError), match="cannot be opened"):
        open_remote(url)
