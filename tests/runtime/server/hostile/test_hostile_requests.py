"""Every hostile request to every protocol: answered or refused as that protocol does, and never a fault of ours."""

import logging
import time

import pytest

from tests.runtime.server.hostile.rows import REFUSED, ROWS
from tests.runtime.server.hostile.targets import TARGETS
from tests.runtime.server.hostile.wire import SECONDS, exchange
from tests.runtime.server.running import RunningServer

LEAKS = [b"Traceback", b'File "', b"site-packages", b"mtl_runtime", b"/usr/"]
SHAPES = {
    "own": lambda target, answer: target.is_refusal(answer),
    "any": lambda _, answer: any(target.is_refusal(answer) for target in TARGETS),
    "none": lambda _target, _answer: True,
}


@pytest.fixture(scope="module")
def server(model):
    with RunningServer([model], admin=True) as running:
        yield running


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_hostile_request_is_the_clients_problem_alone(server, caplog, row):
    targets = [(target, sent) for target in TARGETS if (sent := row.make(target))]
    assert targets
    for target, sent in targets:
        port, start = server.admin_port if target.is_admin else server.port, time.monotonic()
        with caplog.at_level(logging.INFO):
            answers = exchange(port, sent)
        assert time.monotonic() - start < SECONDS, target.name
        assert len(answers) in row.answers, target.name
        for answer in answers:
            check(row, target, answer)
        (good,) = exchange(port, target.request())
        assert good.status == target.good, target.name
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


def check(row, target, answer):
    said = (target.name, answer.status, answer.body[:500])
    has_bad_lines = target.is_stream and row.statuses == REFUSED and answer.status == 200
    assert row.may_answer(target, answer.status) or has_bad_lines, said
    assert answer.is_whole or (target.is_stream and row.shape == "none"), said
    assert not any(leak in answer.body for leak in LEAKS), said
    assert "set-cookie" not in answer.headers
    assert b'"error"' in answer.body or not has_bad_lines, said
    if answer.status >= 400:
        assert len(answer.body) < 2500, said
        assert SHAPES[row.shape](target, answer), said
