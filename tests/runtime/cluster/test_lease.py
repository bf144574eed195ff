"""One driver at a time works on an output, and nobody waits for one that has died here."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from mtl_runtime.cluster.job_folder import LEASE, JobFolder
from mtl_runtime.cluster.lease import hold_lease, read_lease
from mtl_runtime.errors import MtlError
from tests.runtime.cluster.sharded_jobs import HERE, make_texts, run, write_input


def write_lease(folder, **facts):
    content = {"holder": "another", "host": "elsewhere", "pid": 1, "until": time.time() + 30, **facts}
    folder.store.write(LEASE, json.dumps(content).encode())


@pytest.fixture
def folder(tmp_path):
    return JobFolder.open(str(tmp_path / "out"))


def test_a_second_driver_is_refused_and_is_told_which_one_works(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(20))
    refused = []

    def with_second_driver(task, shards, options):
        with pytest.raises(MtlError) as error:
            run([source], tmp_path / "out", resume=True)
        refused.append(str(error.value))
        return HERE.run(task, shards, options)

    run([source], tmp_path / "out", engine=type(HERE)(run=with_second_driver))
    assert f"another driver (process {os.getpid()} on " in refused[0]
    assert "is writing" in refused[0]
    assert not (tmp_path / "out" / LEASE).exists()


def test_two_drivers_that_pass_the_lease_lose_and_double_nothing(tmp_path, monkeypatch):
    from contextlib import nullcontext

    source = write_input(tmp_path / "in.csv", make_texts(30))
    run([source], tmp_path / "plain")
    monkeypatch.setattr("mtl_runtime.cluster.predict_files.hold_lease", lambda folder, seconds: nullcontext())
    errors = []

    def drive():
        try:
            run([source], tmp_path / "out", resume=True)
        except BaseException as error:  # noqa: BLE001 - it is compared below
            errors.append(error)

    threads = [threading.Thread(target=drive) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A driver may have forgotten a note that another was writing; nothing that is listed was touched.
    run([source], tmp_path / "out", resume=True)
    names = {path.name for path in (tmp_path / "plain").iterdir() if path.is_file()}
    assert {name: (tmp_path / "out" / name).read_bytes() for name in names} == {
        name: (tmp_path / "plain" / name).read_bytes() for name in names
    }
    assert all(isinstance(error, MtlError | OSError) for error in errors)


@pytest.mark.parametrize(
    ("facts", "holds"),
    [
        ({}, True),
        ({"until": 0.0}, False),
        ({"host": os.uname().nodename, "pid": os.getpid()}, True),
        ({"until": "soon"}, False),
    ],
)
def test_a_lease_holds_until_its_end(folder, facts, holds):
    write_lease(folder, **facts)
    assert (read_lease(folder) is not None) == holds
    if holds:
        with pytest.raises(MtlError, match=r"another driver \(process \d+ on .*try again in \d+ s"), hold_lease(folder):
            pass
    else:
        with hold_lease(folder, seconds=1.0):
            assert read_lease(folder).pid == os.getpid()
        assert folder.store.read(LEASE) is None


def test_a_driver_that_died_on_this_machine_keeps_nobody_waiting(folder):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    write_lease(folder, host=os.uname().nodename, pid=child.pid)
    with hold_lease(folder, seconds=1.0):
        assert read_lease(folder).pid == os.getpid()


def test_a_lease_is_renewed_while_its_driver_works(folder):
    with hold_lease(folder, seconds=2.0):
        first = read_lease(folder).until
        give_up = time.monotonic() + 30
        while (lease := read_lease(folder)) is None or lease.until == first:
            assert time.monotonic() < give_up
            time.sleep(0.05)
        assert lease.until > first


def test_a_lease_that_another_driver_took_is_left_to_it(folder):
    with hold_lease(folder, seconds=60.0):
        write_lease(folder)
    assert read_lease(folder).holder == "another"
