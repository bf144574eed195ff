"""`mtl serve --processes`: one port, children that are replaced, reloads and the end."""

import http.client
import os
import re
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mtl_runtime.errors import MtlError
from mtl_runtime.server.http.sockets import bind
from mtl_runtime.server.settings import Address
from tests.runtime.server.server_process import (
    WAIT,
    ask,
    children_of,
    digest,
    load_on,
    point_to,
    port_of,
    serving,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

GONE = {"ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected", "BrokenPipeError"}


def metrics_of(port):
    """Samples of all processes: name, labels, value."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    connection.request("GET", "/metrics")
    families = list(text_string_to_metric_families(connection.getresponse().read().decode()))
    connection.close()
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


def counted(port, route):
    """Process -> answers 200 at a route."""
    return {
        labels["process"]: value
        for name, labels, value in metrics_of(port)
        if name == "mtl_requests_total" and (labels["route"], labels["code"]) == (route, "200")
    }


def processes_of(port):
    """Process -> the digest that it serves."""
    return {labels["process"]: labels["digest"] for name, labels, _ in metrics_of(port) if name == "mtl_model_info"}


def wait_until(is_so, seconds=WAIT):
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < seconds
        time.sleep(0.02)
    return time.monotonic() - started


def is_alive(pid):
    return Path(f"/proc/{pid}").exists()


def is_free(port):
    try:
        bind(Address(port=port)).close()
    except MtlError:
        return False
    return True


def test_all_processes_answer_on_one_port_and_share_the_threads(bundle_path):
    with serving(f"bundle={bundle_path}", "--processes", "2", "--threads", "3") as process:
        port = port_of(process)
        assert len(children_of(process.pid)) == 2
        with load_on(port, clients=16):
            time.sleep(1)
        assert set(counted(port, "/v1/predict")) == {"0", "1"}
        workers = {ask(port, "GET", "/v1/info", None)[1]["models"][0]["workers"] for _ in range(60)}
        assert workers == {1, 2}


def test_thirty_reloads_and_one_sigterm_under_load_fail_no_request(versions):
    link, folders = versions
    with serving(link, "--processes", "2", "--admin", "127.0.0.1:0") as process:
        admin = port_of(process, "admin")
        port = port_of(process)
        with load_on(port, pause=0.05) as answers:  # the children that open bundles first need a core, too
            for number in range(30):
                point_to(link, folders[(number + 1) % 2])
                status, version = ask(admin, path="/admin/models/bundle/reload", body=None)
                assert (status, version["digest"]) == (200, digest(folders[(number + 1) % 2]))
            assert set(processes_of(admin)) == {"0", "1"}
            assert set(processes_of(admin).values()) == {digest(folders[0])}
            assert {status for status, _ in answers} == {200}
            process.send(signal.SIGTERM)
            assert process.wait() == 0
    statuses = [status for status, _ in answers]
    # A connection that is closed between two requests is no failed request; each client sees one at the end.
    assert set(statuses) <= {200, 503} | GONE
    assert sum(status in GONE for status in statuses) <= 4
    assert {found for _, found in answers if found} == set(map(digest, folders))


def test_a_process_that_ends_is_replaced_within_5_seconds_while_the_other_answers(bundle_path):
    began = time.monotonic()
    with serving(f"bundle={bundle_path}", "--processes", "2") as process:
        port = port_of(process)
        limit = max(5, 2 * (time.monotonic() - began))  # a machine that is busy needs longer to start anything
        ends = {signal.SIGKILL: "killed by SIGKILL", signal.SIGTERM: "exit code 0"}
        for number, pause in ((signal.SIGKILL, "0.0"), (signal.SIGKILL, "0.5"), (signal.SIGTERM, "1.0")):
            ended = max(children_of(process.pid))  # the last one that was started
            os.kill(ended, number)
            # One that was told to stop may have accepted the connection, and refuses new requests on it.
            assert ask(port)[0] in ({200} if number == signal.SIGKILL else {200, 503})
            assert wait_until(lambda: len(processes_of(port)) == 2 and not is_alive(ended)) < limit  # noqa: B023
            end = re.escape(f"({ends[number]})")
            process.wait_for(rf"process \d ended {end}; another one takes its place in {pause} s")


def test_a_server_ends_with_the_cause_once_no_process_can_start(versions):
    link, folders = versions
    with serving(link, "--processes", "2") as process:
        port = port_of(process)
        graph = folders[1] / "model.onnx"
        graph.write_bytes(graph.read_bytes()[:-100])
        point_to(link, folders[1])
        first, second = children_of(process.pid)
        os.kill(first, signal.SIGKILL)
        process.wait_for(r"cannot start, the others go on answering; .*model\.onnx")
        assert ask(port)[1]["model"]["digest"] == digest(folders[0])
        os.kill(second, signal.SIGKILL)
        process.wait_for(r"error: .*model\.onnx")
        assert process.wait() == 1
        assert is_free(port)


def test_no_process_outlives_a_killed_parent(bundle_path):
    with serving(f"bundle={bundle_path}", "--processes", "2") as process:
        port = port_of(process)
        children = children_of(process.pid)
        with load_on(port) as answers:
            time.sleep(0.2)
            process.send(signal.SIGKILL)
            wait_until(lambda: not any(map(is_alive, children)), 10)
            assert is_free(port)
    assert {status for status, _ in answers} <= {200, 503} | GONE


def test_a_parent_that_is_killed_while_its_children_load_leaves_none(bundle_path):
    with serving(f"bundle={bundle_path}", "--processes", "2") as process:
        wait_until(lambda: children_of(process.pid))
        children = children_of(process.pid)
        process.send(signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, children)), 20)


def test_a_service_manager_may_signal_the_parent_and_its_children(bundle_path):
    with serving(f"bundle={bundle_path}", "--processes", "2") as process:
        port = port_of(process)
        with load_on(port) as answers:
            time.sleep(0.3)
            for child in children_of(process.pid):
                os.kill(child, signal.SIGTERM)
            process.send(signal.SIGTERM)
            assert process.wait() == 0
    assert {status for status, _ in answers} <= {200, 503} | GONE
    assert sum(status in GONE for status, _ in answers) <= 4


def test_sighup_reloads_all_processes_and_a_broken_bundle_changes_none(versions):
    link, folders = versions
    with serving(link, "--processes", "2") as process:
        port = port_of(process)
        with load_on(port) as answers:
            point_to(link, folders[1])
            process.send(signal.SIGHUP)
            for _ in range(2):
                process.wait_for("bundle reloaded")
            assert processes_of(port) == {"0": digest(folders[1]), "1": digest(folders[1])}
            shutil.rmtree(folders[0])
            point_to(link, folders[0])
            process.send(signal.SIGHUP)
            for _ in range(2):
                process.wait_for("its old version goes on answering")
            assert processes_of(port) == {"0": digest(folders[1]), "1": digest(folders[1])}
    assert {status for status, _ in answers} == {200}


def test_processes_share_a_unix_socket(bundle_path, tmp_path):
    path = tmp_path / "socket"
    with serving(f"bundle={bundle_path}", "--processes", "2", "--unix-socket", path) as process:
        process.wait_for(f"serving bundle at unix:{path}")
        for _ in range(4):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_processes_share_the_port_of_grpc(bundle_path):
    grpc = pytest.importorskip("grpc", reason="mtl-export[grpc] is not installed")
    from mtl_runtime.server.protocols.open_inference import open_inference_pb2 as messages

    with serving(f"bundle={bundle_path}", "--processes", "2", "--grpc-port", "0") as process:
        port = int(process.wait_for(r"serving gRPC at 127\.0\.0\.1, port (\d+)")[1])
        http_port = port_of(process)
        for _ in range(24):
            with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
                live = channel.unary_unary(
                    "/inference.GRPCInferenceService/ServerLive",
                    messages.ServerLiveRequest.SerializeToString,
                    messages.ServerLiveResponse.FromString,
                )
                assert live(messages.ServerLiveRequest(), timeout=WAIT, wait_for_ready=True).live
        assert set(counted(http_port, "/inference.GRPCInferenceService/ServerLive")) == {"0", "1"}
        with serving(f"bundle={bundle_path}", "--processes", "2", "--grpc-port", port) as other:
            other.wait_for("cannot listen for gRPC")
            assert other.wait() == 2


def test_all_processes_read_changed_api_keys(bundle_path, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("old\n")

    def statuses(port, key):
        return {ask(port, "GET", "/v1/tasks", None, **{"X-API-Key": key})[0] for _ in range(30)}

    arguments = ("--processes", "2", "--api-keys", keys, "--admin", "127.0.0.1:0")
    with serving(f"bundle={bundle_path}", *arguments) as process:
        admin = port_of(process, "admin")
        port = port_of(process)
        keys.write_text("new\n")
        assert ask(admin, "POST", "/admin/api-keys/reload", None, **{"X-API-Key": "old"}) == (200, {"keys": 1})
        assert (statuses(port, "old"), statuses(port, "new")) == ({401}, {200})
