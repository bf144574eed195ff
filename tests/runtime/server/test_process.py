"""`mtl serve` as a process of its own: start, reload, stop."""

import http.client
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from mtl_runtime.bundle.bundle import Bundle

COMMAND = [sys.executable, "-c", "from mtl_runtime.cli.app import main; main()", "serve"]
WAIT = 120


class Process:
    def __init__(self, arguments):
        # A busy machine gives the child that opens a bundle first little of a core.
        environment = {"MTL_ISOLATION_SCALE": "10", **os.environ}
        self._process = subprocess.Popen(
            [*COMMAND, "--port", "0", *arguments], stderr=subprocess.PIPE, text=True, env=environment
        )
        self.lines, self._new = [], queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        with self._process.stderr as lines:
            for line in lines:
                self._new.put(line)
        self._new.put(None)

    def wait_for(self, pattern):
        """The first match in what the server logs from now on."""
        while True:
            line = self._new.get(timeout=WAIT)
            assert line is not None, self.lines
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def send(self, number):
        self._process.send_signal(number)

    def wait(self):
        return self._process.wait(WAIT)

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._reader.join(WAIT)


@contextmanager
def serving(*arguments):
    process = Process([str(argument) for argument in arguments])
    try:
        yield process
    finally:
        process.kill()


def port_of(process, name="bundle"):
    return int(process.wait_for(rf"serving {name} at http://127\.0\.0\.1:(\d+)")[1])


def ask(port, method="POST", path="/v1/predict", body=b'{"texts": ["the soup was good"]}'):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@contextmanager
def load_on(port, clients=4):
    """Ask again and again meanwhile; yields the list of statuses and digests."""
    answers, stop = [], threading.Event()

    def ask_on():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        while not stop.is_set():
            try:
                connection.request("POST", "/v1/predict", b'{"texts": ["the soup was good"]}')
                response = connection.getresponse()
                body = json.loads(response.read())
            except (OSError, http.client.HTTPException) as error:
                answers.append((type(error).__name__, None))
                break
            answers.append((response.status, body.get("model", {}).get("digest")))
        connection.close()

    threads = [threading.Thread(target=ask_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT)


@pytest.fixture
def versions(tmp_path, bundle_path, change_manifest):
    """Two versions of a bundle, and a link to the first."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        shutil.copytree(bundle_path, folder)
    change_manifest(folders[1], text_columns=["other"])
    link = tmp_path / "bundle"
    link.symlink_to(folders[0])
    return link, folders


def point_to(link, folder):
    new = link.with_name("new")
    new.symlink_to(folder)
    new.replace(link)


def digest(folder):
    return Bundle.open(folder).digest


def test_sigterm_under_load_loses_no_request_and_the_process_ends_with_0(bundle_path):
    with serving(f"bundle={bundle_path}") as process:
        port = port_of(process)
        with load_on(port) as answers:
            time.sleep(0.5)
            process.send(signal.SIGTERM)
            assert process.wait() == 0
    statuses = [status for status, _ in answers]
    # A connection that is closed between two requests is no failed request; each client sees one at the end.
    gone = {"ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected", "BrokenPipeError"}
    assert set(statuses) <= {200, 503} | gone
    assert statuses.count(200) > 10
    assert sum(status in gone for status in statuses) <= 4


def test_a_link_that_names_another_bundle_is_followed_with_no_failed_request(versions):
    link, folders = versions
    with serving(link, "--watch") as process:
        port = port_of(process)
        with load_on(port) as answers:
            for number in (1, 0, 1):
                point_to(link, folders[number])
                process.wait_for(r"bundle reloaded")
            assert ask(port)[1]["model"]["digest"] == digest(folders[1])
    assert {status for status, _ in answers} == {200}
    assert {found for _, found in answers} == set(map(digest, folders))


def test_sighup_reloads_and_a_broken_bundle_leaves_the_old_one_answering(versions):
    link, folders = versions
    graph = folders[1] / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    with serving(link) as process:
        port = port_of(process)
        with load_on(port) as answers:
            point_to(link, folders[1])
            process.send(signal.SIGHUP)
            process.wait_for(r"its old version goes on answering: .*model\.onnx")
            time.sleep(0.2)
    assert set(answers) == {(200, digest(folders[0]))}


def test_many_reloads_under_load_fail_no_request(versions):
    link, folders = versions
    with serving(link, "--admin", "127.0.0.1:0") as process:
        admin = port_of(process, "admin")
        port = port_of(process)
        with load_on(port) as answers:
            for number in range(8):
                point_to(link, folders[(number + 1) % 2])
                status, version = ask(admin, path="/admin/models/bundle/reload", body=None)
                assert (status, version["digest"]) == (200, digest(folders[(number + 1) % 2]))
        assert ask(admin, path="/admin/models/other/reload", body=None)[0] == 404
        assert ask(port, path="/admin/models/bundle/reload", body=None)[0] == 404
        assert ask(admin, "GET", "/v2/health/ready", None)[0] == 200
    assert {status for status, _ in answers} == {200}


def damage(folder, name):
    """What the folder of a bundle may hold instead of one."""
    manifest = folder / "manifest.json"
    match name:
        case "nothing":
            shutil.rmtree(folder)
        case "no manifest":
            manifest.unlink()
        case "a pipe":
            manifest.unlink()
            os.mkfifo(manifest)
        case "an endless file":
            manifest.unlink()
            manifest.symlink_to("/dev/zero")
        case "a long manifest":
            manifest.write_bytes(b" " * 20_000_000)
        case "a deep manifest":
            manifest.write_bytes(b"[" * 1_000_000)
        case "another tokenizer":
            (folder / "tokenizer.json").write_bytes(b"{}")
        case "half a graph":
            (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:1000])


DAMAGES = "nothing no_manifest a_pipe an_endless_file a_long_manifest a_deep_manifest another_tokenizer half_a_graph"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_folders_that_hold_no_sound_bundle_are_refused_under_load_and_a_sound_one_is_seen_after_them(
    versions, tmp_path
):
    link, (first, second) = versions
    with serving(link, "--admin", "127.0.0.1:0", "--watch") as process:
        admin, port = port_of(process, "admin"), port_of(process)
        with load_on(port, clients=2) as answers:
            for name in DAMAGES.split():
                hostile = tmp_path / name
                shutil.copytree(first, hostile)
                damage(hostile, name.replace("_", " "))
                point_to(link, hostile)
                status, problem = ask(admin, path="/admin/models/bundle/reload", body=None)
                assert (status, problem["type"]) == (409, "urn:mtl-export:problem:bundle_refused"), (name, problem)
                assert problem["detail"].startswith("the old version goes on answering: "), name
                time.sleep(1.2)  # the watch sees it too
                assert ask(port)[1]["model"]["digest"] == digest(first), name
            point_to(link, second)
            process.wait_for(r"bundle reloaded")
        assert ask(port)[1]["model"]["digest"] == digest(second)
        connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=WAIT)
        connection.request("POST", "/admin/models/bundle/reload", headers={"Origin": "http://evil.example"})
        assert connection.getresponse().status == 403
        connection.close()
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    assert {status for status, _ in answers} == {200}


def test_a_server_that_cannot_start_says_why_in_one_line(bundle_path, tmp_path):
    def fails(*arguments):
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=WAIT, check=False
        )
        assert done.returncode == 2
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        return line

    assert "none" in fails(tmp_path / "none")
    assert "no bundle is called 'b'" in fails(f"a={bundle_path}", "--shadow", "a=b")
    empty = tmp_path / "keys"
    empty.write_text("# none yet\n")
    assert "holds no API key" in fails(bundle_path, "--api-keys", empty)
    assert "cannot be used" in fails(bundle_path, "--tls-certificate", empty, "--tls-key", empty, "--port", 0)
    with serving(f"bundle={bundle_path}") as process:
        assert "cannot listen on" in fails(bundle_path, "--port", port_of(process))


def test_logs_of_a_server_without_a_terminal_are_json_and_hold_no_text(bundle_path):
    with serving(f"bundle={bundle_path}", "--log-requests") as process:
        port = port_of(process)
        ask(port)
        process.wait_for('"path": "/v1/predict"')
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        lines = [json.loads(line) for line in process.lines]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert "soup" not in json.dumps(lines)


@pytest.mark.skipif(sys.platform == "win32", reason="a child's limits need the module resource")
def test_a_bundle_that_would_end_the_process_is_reloaded_in_a_child_first(versions, monkeypatch):
    link, folders = versions
    monkeypatch.setenv("MTL_ISOLATION_SCALE", "0.01")  # no child lives with so little
    with serving(link) as process:
        port = port_of(process)
        point_to(link, folders[1])
        process.send(signal.SIGHUP)
        process.wait_for(r"its old version goes on answering: .*MTL_ISOLATION_SCALE")
        assert ask(port)[1]["model"]["digest"] == digest(folders[0])
