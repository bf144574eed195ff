"""`mtl serve` in one process: start, reload, stop."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.runtime.server.server_process import (
    COMMAND,
    WAIT,
    ask,
    children_of,
    digest,
    load_on,
    point_to,
    port_of,
    serving,
)


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
                assert (status, problem["type"]) == (409, "urn:mtl-export:problem:not_reloaded"), (name, problem)
                assert "its old version goes on answering: " in problem["detail"], name
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


def test_a_page_that_strangers_reach_is_empty_and_the_log_says_why(bundle_path):
    with serving(f"bundle={bundle_path}", "--host", "0.0.0.0") as process:
        process.wait_for("the page at /ui shows no sentences and no evidence")
        port = int(process.wait_for(r"serving bundle at http://0\.0\.0\.0:(\d+)")[1])
        assert ask(port, "GET", "/ui/models", None)[0] == 404


def test_a_key_of_the_environment_opens_the_page_to_whoever_has_it_at_any_address(bundle_path, monkeypatch):
    monkeypatch.setenv("MTL_API_KEYS", "k-e-y")
    with serving(f"bundle={bundle_path}", "--host", "0.0.0.0") as process:
        port = int(process.wait_for(r"serving bundle at http://0\.0\.0\.0:(\d+)")[1])
        assert not any("shows no sentences" in line for line in process.lines)
        assert ask(port, "GET", "/ui/models", None, Host="192.168.0.7")[0] == 401
        status, answer = ask(port, "GET", "/ui/models", None, Host="192.168.0.7", Authorization="Bearer k-e-y")
        assert (status, answer["models"][0]["name"]) == (200, "bundle")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_a_line_says_where_the_page_is_and_how_the_server_stops(bundle_path):
    import pty

    ours, terminal = pty.openpty()
    command = [*COMMAND, f"bundle={bundle_path}", "--port", "0"]
    with os.fdopen(ours, "rb") as lines, subprocess.Popen(command, stderr=terminal) as process:
        os.close(terminal)
        try:
            while b"open " not in (line := lines.readline()):
                assert line
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(WAIT) == 0
    assert re.search(rb"open http://127\.0\.0\.1:\d+ in a browser; Ctrl-C stops\s*$", line)


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
    assert "in a browser" not in json.dumps(lines)


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


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_child_that_opens_a_bundle_leaves_the_old_one_answering(versions):
    link, folders = versions
    with serving(link) as process:
        port = port_of(process)
        with load_on(port) as answers:
            point_to(link, folders[1])
            process.send(signal.SIGHUP)
            while not (children := children_of(process.pid)):
                time.sleep(0.001)
            os.kill(children[0], signal.SIGKILL)
            process.wait_for(r"its old version goes on answering: .*child process")
            process.send(signal.SIGHUP)
            process.wait_for("bundle reloaded")
            assert ask(port)[1]["model"]["digest"] == digest(folders[1])
    assert {status for status, _ in answers} == {200}


def test_api_keys_are_read_again_without_a_restart_and_a_broken_file_changes_nothing(bundle_path, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("old\n")

    def status(port, key):
        return ask(port, "GET", "/v1/tasks", None, **{"X-API-Key": key})[0]

    def reload_keys(port, key):
        return ask(port, "POST", "/admin/api-keys/reload", None, **{"X-API-Key": key})

    with serving(f"bundle={bundle_path}", "--api-keys", keys, "--admin", "127.0.0.1:0") as process:
        admin = port_of(process, "admin")
        port = port_of(process)
        assert (status(port, "old"), status(port, "new")) == (200, 401)
        keys.write_text("new\nfurther\n")
        process.send(signal.SIGHUP)
        process.wait_for("API keys reloaded: 2")
        assert (status(port, "old"), status(port, "new")) == (401, 200)
        keys.write_text("# none\n")
        code, problem = reload_keys(admin, "new")
        assert code == 409
        assert "holds no API key" in problem["detail"]
        assert status(port, "new") == 200
        keys.write_text("third\n")
        assert reload_keys(admin, "new") == (200, {"keys": 1})
        assert (status(port, "new"), status(port, "third")) == (401, 200)


def test_an_operator_who_reloads_a_broken_bundle_reads_why_it_was_not(versions):
    link, folders = versions
    (folders[1] / "model.onnx").write_bytes(b"")
    with serving(link, "--admin", "127.0.0.1:0") as process:
        admin = port_of(process, "admin")
        port_of(process)
        point_to(link, folders[1])
        code, problem = ask(admin, path="/admin/models/bundle/reload", body=None)
    assert code == 409
    assert "model.onnx" in problem["detail"]
