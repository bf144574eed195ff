"""POST /v1/predict/stream on real sockets."""

import json
import socket

import pytest

from mtl_runtime.server.limits import Limits
from tests.runtime.server.running import RunningServer


def ask(server, lines, query=""):
    body = b"".join(line + b"\n" for line in lines)
    status, _, answer = server.ask("POST", f"/v1/predict/stream{query}", body)
    assert status == 200, answer
    return [
        json.loads(line) for line in (answer if isinstance(answer, bytes) else json.dumps(answer).encode()).splitlines()
    ]


def test_each_line_is_answered_in_order_as_the_library_answers(server, classifier):
    texts = [f"the soup was good {number}" for number in range(700)]
    answers = ask(server, [json.dumps(text).encode() for text in texts])
    assert [answer["line"] for answer in answers] == list(range(1, 701))
    for answer, prediction in zip(answers, classifier(texts), strict=True):
        assert answer["answers"]["sentiment"]["label"] == prediction["sentiment"].label


def test_a_line_is_a_string_or_an_object_with_a_text_and_empty_lines_are_left_out(server):
    answers = ask(server, [b'"good"', b"", b'{"text": "bad", "id": 7}', b"  "], "?tasks=stars&embed=true")
    assert [answer["line"] for answer in answers] == [1, 3]
    assert all(list(answer["answers"]) == ["stars"] and answer["embedding"] for answer in answers)


@pytest.mark.parametrize("bad", [b"{", b"1", b'{"txt": "a"}', b'"\xff"', json.dumps("a" * 70_000).encode()])
def test_a_bad_line_gets_an_error_and_the_others_their_answers(server, bad):
    first, second, third = ask(server, [b'"good"', bad, b'"soup"'])
    assert second["line"] == 2
    assert second["error"]["status"] in (400, 422)
    assert "answers" in first
    assert "answers" in third


def test_unknown_models_and_tasks_are_refused_before_the_stream_begins(server):
    assert server.ask("POST", "/v1/predict/stream?model=other", b'"a"')[0] == 404
    assert server.ask("POST", "/v1/predict/stream?tasks=mood", b'"a"')[0] == 422
    assert server.ask("POST", "/v1/predict/stream", b'"a"', Content_Encoding="gzip")[0] == 415


def test_answers_come_while_the_client_still_sends(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/predict/stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        received = b""
        for number in range(1, 6):
            connection.sendall(b'7\r\n"good"\n\r\n')
            while received.count(b'"line":') < number:
                received += connection.recv(65536)
        connection.sendall(b"0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)
    assert received.count(b'"line":') == 5


def test_a_stream_longer_than_any_body_is_answered_whole(model):
    limits = Limits(max_body_bytes=1000, max_texts=64, max_queued_texts=64)
    with RunningServer([model], limits=limits) as server:
        assert len(ask(server, [b'"the soup was good"'] * 3000)) == 3000


def test_a_stream_that_stands_still_is_ended(model):
    head = b"POST /v1/predict/stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    limits, received = Limits(receive_seconds=0.5), b""
    with (
        RunningServer([model], limits=limits) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection,
    ):
        connection.sendall(head + b'7\r\n"good"\n\r\n')
        while chunk := connection.recv(65536):
            received += chunk
    assert b'"line":1' in received
    assert b"nothing came for 0.5 s" in received
