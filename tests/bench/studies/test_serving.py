"""The load generator against servers that behave, refuse and hang up; the study's tables."""

import asyncio
import contextlib
import functools
import itertools
import time
from pathlib import Path

import pytest

from mtl_bench.studies.serving import slow_clients
from mtl_bench.studies.serving.http_client import Connection, Request
from mtl_bench.studies.serving.library import measure_library
from mtl_bench.studies.serving.load import LoadResult, offer_rate, run_clients, time_alone
from mtl_bench.studies.serving.results import (
    CancellationResult,
    LibraryRound,
    OverloadResult,
    ServerResult,
    ServerRound,
    ServingResults,
    SlowClientsResult,
    SpeedResult,
)
from mtl_bench.studies.serving.servers import OURS, SERVERS, ServedBundle
from mtl_bench.studies.serving.speed import failures_of
from mtl_bench.studies.serving.tables import page_tables
from mtl_runtime.errors import CheckFailedError
from mtl_runtime.loading.load import load

TINY_BUNDLE = Path(__file__).parents[2] / "runtime" / "data" / "tiny_bundle"
REQUEST = Request("/predict", {"text": "good"}).encode({"X-Timeout": "1"})


@contextlib.asynccontextmanager
async def answering(answer):
    """A server whose ``answer(number of the request)`` is a status, or None to hang up; yields its port."""
    numbers = itertools.count()

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, OSError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
                status = await answer(next(numbers))
                if status is None:
                    break
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\n{{}}".encode())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def in_event_loop(test):
    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


async def _ok(_):
    return 200


@in_event_loop
async def test_a_request_has_its_path_headers_and_length():
    head, body = REQUEST.split(b"\r\n\r\n")
    assert head.startswith(b"POST /predict HTTP/1.1\r\n")
    assert b"X-Timeout: 1" in head
    assert f"Content-Length: {len(body)}".encode() in head
    async with answering(_ok) as port:
        connection = await Connection.open(port)
        responses = [await connection.send(REQUEST) for _ in range(2)]
        connection.close()
    assert [(response.status, response.json()) for response in responses] == [(200, {})] * 2


@in_event_loop
async def test_each_client_waits_for_its_answer_and_the_warm_up_does_not_count():
    at_once, most = 0, 0

    async def answer(_):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return 200

    started = time.perf_counter()
    async with answering(answer) as port:
        result = await run_clients(port, lambda _: [REQUEST], clients=3, warm_up=0.3, seconds=0.3)
    assert most == 3
    assert time.perf_counter() - started >= 0.6
    assert 0 < result.statuses[200] <= 3 * 31
    assert result.rate == result.statuses[200] / 0.3
    assert min(result.latencies) >= 0.01


@in_event_loop
async def test_a_sentence_of_several_requests_has_the_first_status_that_is_not_200():
    async def answer(number):
        return 200 if number % 2 == 0 else 429

    async with answering(answer) as port:
        result = await run_clients(port, lambda _: [REQUEST, REQUEST], clients=1, warm_up=0.0, seconds=0.2)
    assert set(result.statuses) == {429}
    assert result.latencies == []
    assert set(failures_of(result)) == {"429"}
    with pytest.raises(CheckFailedError, match="no sentence was answered"):
        result.latency(99)


@in_event_loop
async def test_a_rate_is_offered_whether_or_not_answers_come():
    async def answer(number):
        await asyncio.sleep(0.5)
        return (200, 429, None)[number % 3]

    async with answering(answer) as port:
        result = await offer_rate(port, itertools.cycle([REQUEST]), rate=60, seconds=0.5)
    assert sum(result.statuses.values()) == 30
    assert result.statuses == {200: 10, 429: 10, 0: 10}
    assert result.latency(0) >= 0.5


@in_event_loop
async def test_sentences_alone_are_timed_one_by_one():
    async with answering(_ok) as port:
        assert len(await time_alone(port, lambda _: [REQUEST], count=5)) == 5


@in_event_loop
async def test_connections_that_the_server_closes_are_told_from_those_that_it_keeps(monkeypatch):
    monkeypatch.setattr(slow_clients, "_IDLE_SECONDS", 0.2)
    monkeypatch.setattr(slow_clients, "_RECEIVE_SECONDS", 0.2)
    monkeypatch.setattr(slow_clients, "_GRACE", 0.3)
    monkeypatch.setattr(slow_clients, "_BYTE_SECONDS", 0.02)

    async def close_soon(_reader, writer):
        await asyncio.sleep(0.1)
        writer.close()

    async def keep(reader, writer):
        with contextlib.closing(writer):
            await reader.read()

    for behave, closed in ((close_soon, True), (keep, False)):
        server = await asyncio.start_server(behave, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        seconds = [await slow_clients._stay_idle(port), await slow_clients._send_slowly(port)]
        assert [each < 0.45 for each in seconds] == [closed, closed]
        server.close()


def test_the_library_is_measured_in_calls_of_64_and_alone():
    measured = measure_library(load(TINY_BUNDLE), [f"good {number}" for number in range(130)], seconds=0.1, calls=3)
    assert measured["rate"] > 0
    assert 0 < measured["alone"] < 1


def test_each_server_is_asked_for_all_tasks_of_a_sentence(tmp_path):
    served = ServedBundle(tmp_path / "bundle", tmp_path / "kit", ("sentiment", "topic"))
    for name, server in SERVERS.items():
        command, requests = server.command(served, 8123), server.requests(served, "good")
        assert "8123" in command
        assert (server.docs is None) == (server.packages is None) == (name == OURS)
        assert len(requests) == (2 if name == "infinity" else 1)


def test_the_tables_show_shares_of_the_library_and_why_a_server_is_missing():
    def server_round(rate, alone):
        return ServerRound(rate=rate, p50=0.1, p99=0.2, alone=alone, resident_bytes=2**28, failures={})

    speed = SpeedResult(
        clients=64,
        seconds=8.0,
        library=(LibraryRound(rate=400.0, alone=0.002), LibraryRound(rate=500.0, alone=0.002)),
        servers={
            OURS: ServerResult(
                title="`mtl serve`",
                docs=None,
                versions={},
                rounds=(server_round(360.0, 0.003), server_round(450.0, 0.003)),
            ),
            "other": ServerResult(title="other", docs="https://example.org", versions={}, error="no | module"),
        },
    )
    results = ServingResults(
        speed=speed,
        overload=OverloadResult(
            sustained=400.0,
            offered=1200.0,
            seconds=60.0,
            statuses={"200": 24_000, "429": 48_000},
            goodput=400.0,
            p99=1.5,
            resident_before=2**28,
            resident_peak=2**28 + 2**20,
            recovery=0.5,
        ),
        cancellations=CancellationResult(
            requests=10, cancelled=3, right=7, wrong=0, failures={}, pending_texts=0, pending_requests=0
        ),
        slow_clients=SlowClientsResult(
            slow_senders=200,
            idle_sockets=200,
            offered=200.0,
            p99_without=(0.1, 0.1),
            p99_with=(0.11, 0.12),
            receive_seconds=10.0,
            idle_seconds=15.0,
            slowest_sender_closed=10.1,
            slowest_idle_closed=15.2,
        ),
    )
    tables = page_tables(results)
    ours, other = tables["speed"].splitlines()[3:]
    assert "| 0.90 (0.90 to 0.90) |" in ours
    assert "| +1.00 (+1.00 to +1.00) |" in ours
    assert r"no \| module" in other
    assert "200: 33.3%, 429: 66.7%; 400 answers/s, 100% of the 400 sustained" in tables["load"]
    assert "7 right answers, 0 wrong" in tables["load"]
    assert "1.15 times as long (1.10 to 1.20, 2 rounds)" in tables["load"]
    assert page_tables(ServingResults()) == {"speed": "", "load": "", "circumstances": ""}


def test_a_result_without_answers_has_no_rate():
    assert LoadResult(seconds=2.0).rate == 0.0
