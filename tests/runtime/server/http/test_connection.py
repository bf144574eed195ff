"""Clients that are slow to send, to read or to ask again, on real sockets."""

import asyncio
import socket
import threading
import time

import pytest

from mtl_runtime.errors import MtlError
from mtl_runtime.server.http.sockets import allow_open_files, bind
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.settings import Address
from tests.runtime.server.running import RunningServer

LIMITS = Limits(receive_seconds=1.0, idle_seconds=1.0, drain_seconds=5.0)
PREDICT = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: "
BODY = b'{"texts": ["good"]}'


@pytest.fixture(scope="module")
def server(model):
    with RunningServer([model], limits=LIMITS) as running:
        yield running


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def read_all(connection):
    """Everything until the server closes, and the seconds until then."""
    start, content = time.monotonic(), b""
    try:
        while chunk := connection.recv(65536):
            content += chunk
    except ConnectionResetError:
        pass
    return content, time.monotonic() - start


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b"408"),
        (b"POST /v1/pre", b"408"),
        (b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nX-A", b"408"),
        (PREDICT + b"100\r\n\r\n{", b"408"),
        (b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"408"),
    ],
    ids=["nothing", "a part of the first line", "a part of a header", "a part of the body", "a part of the chunks"],
)
def test_a_client_that_stops_sending_is_let_go(server, sent, answered):
    with connect(server) as connection:
        connection.sendall(sent)
        content, seconds = read_all(connection)
    assert content.startswith(b"HTTP/1.1 " + answered)
    assert 0.5 < seconds < 5


def test_a_client_that_sends_a_byte_now_and_then_is_let_go_too(server):
    def send_slowly(connection):
        for byte in PREDICT + b"100\r\n\r\n" + b"{" * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    start = time.monotonic()
    with connect(server) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        send_slowly(connection)
    assert time.monotonic() - start < 6


def test_an_idle_connection_is_closed_after_its_answer(server):
    with connect(server) as connection:
        connection.sendall(PREDICT + b"%d\r\n\r\n" % len(BODY) + BODY)
        content, seconds = read_all(connection)
    assert content.startswith(b"HTTP/1.1 200")
    assert 0.5 < seconds < 5


def test_headers_without_end_are_refused_by_their_length(server):
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        try:
            for number in range(3000):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"a" * 100))
        except OSError:  # closed while we were sending
            pass
        content, _ = read_all(connection)
    assert content == b"" or content.startswith(b"HTTP/1.1 431")
    assert server.ask("GET", "/v2/health/live")[0] == 200


@pytest.mark.parametrize(
    "end", [b"1;" + b"a" * 1000, b"0\r\n" + b"X-A: a\r\n" * 100], ids=["a chunk's name", "trailers"]
)
def test_what_stands_around_a_body_without_end_is_refused_by_its_length(server, end):
    sent = 0
    with connect(server) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + end)
        try:
            while sent < 100_000_000:
                sent += connection.send(end[-1000:])
        except OSError:  # closed while we were sending
            pass
    assert sent < 20_000_000


def test_requests_before_their_turn_are_not_collected_without_end(server):
    request = PREDICT + b"%d\r\n\r\n" % len(BODY) + BODY
    with connect(server) as connection:
        try:
            for _ in range(200):
                connection.sendall(request * 100)
            content, _ = read_all(connection)
        except OSError:
            content = b""
    assert content.count(b"HTTP/1.1") < 10_000


def test_an_offer_to_speak_another_protocol_is_ignored_and_the_body_read(server):
    """As Java's HttpClient and `curl --http2` send it."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    request = PREDICT + b"%d\r\n" % len(BODY) + offer + b"\r\n" + BODY
    for parts in ([request * 3], [request[index : index + 1] for index in range(len(request))]):
        with connect(server) as connection:
            for part in parts:
                connection.sendall(part)
            content, _ = read_all(connection)
        assert content.count(b"HTTP/1.1 200") == content.count(b"sentiment") == (3 if len(parts) == 1 else 1)


def test_one_connection_too_many_takes_the_place_of_the_idlest(model):
    with RunningServer([model], limits=Limits(max_connections=3)) as server:
        idle = [connect(server) for _ in range(3)]
        wait_until(lambda: server.http.connections == 3)
        assert server.ask("POST", "/v1/predict", BODY)[0] == 200
        assert idle[0].recv(1) == b""
        busy = [connect(server) for _ in range(3)]
        for connection in busy:
            connection.sendall(PREDICT + b"5\r\n\r\n{")
        wait_until(lambda: server.http.connections <= 3 and all(one.recv(1) == b"" for one in idle[1:]))
        status, headers, _ = server.ask("GET", "/v2/health/live")
        assert (status, headers["retry-after"]) == (503, "1")
        busy[0].close()
        wait_until(lambda: server.http.connections == 2)
        assert server.ask("GET", "/v2/health/live")[0] == 200
        for connection in (*idle, *busy):
            connection.close()


def test_bodies_that_come_at_the_same_time_have_a_limit_and_small_ones_are_read(model):
    large = b'{"texts": ["' + b" " * 900_000
    with RunningServer([model], limits=Limits(max_buffered_bytes=2_000_000)) as server:
        coming = [connect(server) for _ in range(2)]
        for connection in coming:
            connection.sendall(PREDICT + b"1000000\r\n\r\n" + large)
        time.sleep(0.2)
        status, headers, _ = server.ask("POST", "/v1/predict", large + b'"]}')
        assert (status, headers["retry-after"]) == (429, "1")
        assert server.ask("POST", "/v1/predict", BODY)[0] == 200
        for connection in coming:
            connection.close()
        time.sleep(0.2)
        assert server.ask("POST", "/v1/predict", large + b'"]}')[0] == 422


def test_a_client_that_does_not_read_its_answer_is_let_go(server):
    big = b'{"texts": [' + b",".join([b'"good"'] * 1000) + b'], "embed": true}'
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        for _ in range(40):  # pipelined, so that the answers fill every buffer
            connection.sendall(PREDICT + b"%d\r\n\r\n" % len(big) + big)
        deadline = time.monotonic() + 10
        while server.http.connections and time.monotonic() < deadline:
            time.sleep(0.1)
    assert not server.http.connections


def test_slow_clients_do_not_keep_others_waiting(server):
    slow = [connect(server) for _ in range(100)]
    for connection in slow:
        connection.sendall(PREDICT)
    try:
        assert all(server.ask("POST", "/v1/predict", BODY)[0] == 200 for _ in range(20))
    finally:
        for connection in slow:
            connection.close()


def test_a_client_that_leaves_gives_its_place_to_others(model):
    with RunningServer([model], limits=Limits(max_requests=1), workers=0) as server:
        with connect(server) as connection:
            connection.sendall(PREDICT + b"%d\r\n\r\n" % len(BODY) + BODY)
            wait_until(lambda: server.service.requests == 1)
            assert server.ask("POST", "/v1/predict", BODY)[0] == 429
        wait_until(lambda: server.service.requests == 0)


def test_what_is_under_way_is_answered_when_the_server_stops(model):
    with RunningServer([model], limits=LIMITS) as server:
        half_sent = connect(server)
        half_sent.sendall(PREDICT + b"100\r\n\r\n{")
        silent = connect(server)
        waiting = connect(server)
        body = b'{"texts": [' + b",".join([b'"good soup %d"' % number for number in range(900)]) + b"]}"
        waiting.sendall(PREDICT + b"%d\r\n\r\n" % len(body) + body)
        wait_until(lambda: server.service.requests == 1)
        stopping = threading.Thread(target=lambda: server.loop.call_soon_threadsafe(server.http.stop))
        stopping.start()
        content, _ = read_all(waiting)
        assert content.startswith(b"HTTP/1.1 200")
        assert content.count(b'"tokens"') == 900
    for connection in (half_sent, silent, waiting):
        connection.close()


def test_a_stopping_server_says_so(model):
    with RunningServer([model], workers=0) as server:
        server.service.is_stopping = True
        status, headers, _ = server.ask("GET", "/v2/health/ready")
        assert (status, headers["retry-after"]) == (503, "1")
        assert server.ask("GET", "/v2/health/live")[0] == 200
        assert server.ask("POST", "/v1/predict", BODY)[0] == 503


def test_a_deadline_in_a_header_ends_the_wait(model):
    with RunningServer([model], workers=0) as server:
        start = time.monotonic()
        status, _, problem = server.ask("POST", "/v1/predict", BODY, X_Request_Timeout="0.1")
        assert (status, problem["type"]) == (504, "urn:mtl-export:problem:deadline")
        assert time.monotonic() - start < 5
        for wrong in ("soon", "-1", "0", "nan"):
            assert server.ask("POST", "/v1/predict", BODY, X_Request_Timeout=wrong)[0] == 400


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_busy_server_answers_with_200_429_or_504_and_nothing_else(model):
    limits = Limits(max_requests=20, max_queued_texts=10, request_seconds=5)

    async def ask(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        statuses = []
        for _ in range(20):
            writer.write(PREDICT + b"%d\r\n\r\n" % len(BODY) + BODY)
            head = await reader.readuntil(b"\r\n\r\n")
            (length,) = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line]
            await reader.readexactly(length)
            statuses.append((int(head[9:12]), b"retry-after" in head.lower()))
        writer.close()
        return statuses

    async def ask_all(port):
        return [status for one in await asyncio.gather(*(ask(port) for _ in range(60))) for status in one]

    with RunningServer([model], limits=limits) as server:
        statuses = asyncio.run(ask_all(server.port))
        assert {status for status, _ in statuses} <= {200, 429, 504}
        assert all(has_advice for status, has_advice in statuses if status == 429)
        assert (200, False) in statuses
        assert server.ask("POST", "/v1/predict", BODY)[0] == 200


def test_a_body_that_comes_after_its_refusal_gets_no_second_answer(server):
    with connect(server) as connection:
        connection.sendall(PREDICT + b"99999999\r\n\r\n{")
        content, seconds = read_all(connection)
    assert content.startswith(b"HTTP/1.1 413")
    assert content.count(b"HTTP/1.1") == 1
    assert 0.5 < seconds < 5


def test_as_many_files_may_be_open_as_connections_need():
    resource = pytest.importorskip("resource")
    _, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 5000:
        pytest.skip("this system allows few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        allow_open_files(1000)
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        allow_open_files(1)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, hard)
        assert 3000 < raised < 5000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no unix sockets")
def test_a_socket_that_a_server_left_behind_is_taken_over_and_nothing_else(tmp_path):
    path = tmp_path / "mtl.sock"
    bind(Address(unix_socket=path)).close()
    assert path.is_socket()
    with bind(Address(unix_socket=path)):
        with pytest.raises(MtlError, match="Address already in use; choose another --unix-socket"):
            bind(Address(unix_socket=path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(path))
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(MtlError, match="choose another --unix-socket"):
        bind(Address(unix_socket=file))
    assert file.read_text() == "mine"
