"""The same jobs from and to an S3-compatible store, which has no rename, through s3fs and through pyarrow.fs."""

import os
import random
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest
import s3fs

from mtl_runtime.cluster.engines.engine import Engine, EngineOptions
from mtl_runtime.cluster.engines.local import run_on_processes
from mtl_runtime.cluster.job_folder import JobFolder
from mtl_runtime.cluster.lease import hold_lease
from mtl_runtime.cluster.manifest import check_output, read_manifest
from mtl_runtime.cluster.storage.file_systems import open_remote
from mtl_runtime.cluster.storage.stores import open_store
from mtl_runtime.errors import MtlError
from mtl_runtime.tables.row_chunks import ChunkLimits
from tests.engines.torn_uploads import TearingProxy
from tests.runtime.cluster.sharded_jobs import TINY_BUNDLE, contents, make_texts, run, write_input
from tests.runtime.cluster.test_kills import children_of, mtl

LOCAL = Engine(run=run_on_processes)
SECONDS_TO_START = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of a server, and a proxy before it, to which all clients of this module are led."""
    log = (tmp_path_factory.mktemp("server") / "log").open("w")
    port = _free_port()
    command = [sys.executable, "-c", "from moto.server import main; main()", "-p", str(port)]
    with subprocess.Popen(command, stdout=log, stderr=log) as process:
        give_up = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < give_up:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/"):
                break
            time.sleep(0.1)
        yield port
        process.kill()


def _free_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def proxy(server, monkeypatch):
    opened = TearingProxy(server)
    settings = {
        "AWS_ENDPOINT_URL": opened.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield opened
    opened.close()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(proxy):
    """A new bucket's URL."""
    name = f"bucket-{os.urandom(6).hex()}"
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}"


@pytest.fixture
def source(bucket, tmp_path):
    """Two files on disk, and their copies in the bucket."""
    texts = make_texts(100)
    for name, part in (("a.parquet", texts[:60]), ("b.csv", texts[60:])):
        path = write_input(tmp_path / "in" / name, part, group_rows=4)
        s3fs.S3FileSystem().put_file(str(path), f"{bucket}/in/{name}")
    return tmp_path / "in"


def parts_of(url):
    """The parts' bytes: their names have the hash of the inputs' URLs."""
    system = s3fs.S3FileSystem()
    system.invalidate_cache()
    return [data for _, data in sorted(system.cat(f"{url}/part-*").items())]


def local_parts(folder):
    return [data for name, data in contents(folder).items() if name.startswith("part-")]


def test_parts_in_the_store_are_those_on_disk_and_their_manifest_holds(bucket, source, tmp_path):
    run([source], tmp_path / "out", output_format="parquet")
    summary = run([f"{bucket}/in"], f"{bucket}/out", output_format="parquet")
    assert (summary.is_complete, summary.rows) == (True, 100)
    assert parts_of(f"{bucket}/out") == local_parts(tmp_path / "out")
    folder = JobFolder.open(f"{bucket}/out")
    assert list(check_output(folder, read_manifest(folder))) == []
    some = read_manifest(folder).parts[3].name
    s3fs.S3FileSystem().pipe_file(f"{bucket}/out/{some}", b"other")
    assert [problem.name for problem in check_output(folder, read_manifest(folder))] == [some]


def test_pyarrow_opens_the_store_where_s3fs_is_not_installed(bucket, source, tmp_path, monkeypatch):
    run([source], tmp_path / "out", output_format="parquet")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    assert "arrow" in type(open_remote(bucket).system).__module__
    summary = run([f"{bucket}/in"], f"{bucket}/out", output_format="parquet")
    assert (summary.is_complete, summary.rows) == (True, 100)
    assert parts_of(f"{bucket}/out") == local_parts(tmp_path / "out")
    assert run([f"{bucket}/in"], f"{bucket}/out", output_format="parquet", resume=True).finished_before


def test_of_many_that_create_an_object_one_does(bucket):
    store = open_store(f"{bucket}/out")
    assert store.create("job.json", b"first")
    assert not store.create("job.json", b"second")
    assert store.read("job.json") == b"first"


def test_a_torn_upload_leaves_no_listed_part(bucket, source, proxy, tmp_path):
    run([source], tmp_path / "out", shard_rows=30)
    proxy.tears = True
    with pytest.raises(MtlError, match="shards failed, 0 are done"):
        run([f"{bucket}/in"], f"{bucket}/out", attempts=1, shard_rows=30)
    assert proxy.torn > 0
    folder = JobFolder.open(f"{bucket}/out")
    assert folder.read_done(folder.read_job()) == {}
    proxy.tears = False
    assert run([f"{bucket}/in"], f"{bucket}/out", resume=True, shard_rows=30).is_complete
    assert parts_of(f"{bucket}/out") == local_parts(tmp_path / "out")


def test_what_is_torn_under_a_parts_name_is_replaced(bucket, source, tmp_path):
    """As on a store that keeps what it got."""
    run([source], tmp_path / "out")
    run([f"{bucket}/in"], f"{bucket}/out")
    names = sorted(s3fs.S3FileSystem().glob(f"{bucket}/out/part-*"))
    system = s3fs.S3FileSystem()
    for name in names[2:5]:
        system.pipe_file(name, system.cat_file(name)[:-30])
    system.rm([f"{bucket}/out/_SUCCESS", f"{bucket}/out/_mtl/done/000003.json"])
    record = f"{bucket}/out/_mtl/done/000007.json"
    system.pipe_file(record, system.cat_file(record)[:-9])
    run([f"{bucket}/in"], f"{bucket}/out", resume=True)
    assert parts_of(f"{bucket}/out") == local_parts(tmp_path / "out")


def test_workers_and_drivers_that_are_killed_lose_and_double_nothing(bucket, source, tmp_path, kills):
    run([source], tmp_path / "out", shard_rows=4, limits=ChunkLimits())
    job = ["predict", TINY_BUNDLE, f"{bucket}/in", "-o", f"{bucket}/out", "--on", "local", "--processes", "2"]
    job += ["--shard-rows", "4", "--resume"]
    draw = random.Random(3)
    for _ in range(kills):
        driver = mtl(*job)
        deadline = time.monotonic() + 3 + 2 * draw.random()
        while driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
            if workers := children_of(driver.pid):
                with suppress(ProcessLookupError):
                    os.kill(draw.choice(workers), 9)
        driver.kill()
        driver.communicate()
    driver = mtl(*job, "--attempts", "20")
    _, errors = driver.communicate()
    assert driver.returncode == 0, errors
    assert parts_of(f"{bucket}/out") == local_parts(tmp_path / "out")
    folder = JobFolder.open(f"{bucket}/out")
    assert list(check_output(folder, read_manifest(folder))) == []


def test_a_second_driver_is_refused(bucket, source):
    folder = JobFolder.open(f"{bucket}/out")
    with hold_lease(folder), pytest.raises(MtlError, match="another driver"):
        run([f"{bucket}/in"], f"{bucket}/out")
    run([f"{bucket}/in"], f"{bucket}/out", engine=LOCAL, options=EngineOptions(processes=1))
