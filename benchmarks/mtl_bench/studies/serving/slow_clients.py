"""Ours next to 200 slow senders and 200 idle sockets -> SlowClientsResult."""

import asyncio
import itertools
import time

from mtl_bench.studies.serving.context import ServingContext
from mtl_bench.studies.serving.http_client import HOST
from mtl_bench.studies.serving.load import offer_rate, run_clients
from mtl_bench.studies.serving.results import SlowClientsResult
from mtl_bench.studies.serving.servers import OURS, SERVERS
from mtl_bench.studies.serving.speed import CLIENTS

__all__ = ["measure_slow_clients"]

_SLOW_SENDERS, _IDLE_SOCKETS = 200, 200
_RECEIVE_SECONDS, _IDLE_SECONDS = 10.0, 15.0  # limits of the server
_HEALTHY_SHARE = 0.5  # of the rate that the server sustains
_GRACE = 30.0  # seconds beyond a limit, after which a connection counts as never closed
_SLOW_HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n" + b"X-Filler: " + b"x" * 1_000
_BYTE_SECONDS = 0.5  # between two bytes of a slow sender


def measure_slow_clients(context: ServingContext) -> SlowClientsResult:
    """Measure healthy clients without and with the others, in turn."""
    options = ("--receive-seconds", str(_RECEIVE_SECONDS), "--idle-seconds", str(_IDLE_SECONDS))
    with context.start(options=options) as server:
        return asyncio.run(_measure(context, server.port))


async def _measure(context: ServingContext, port: int) -> SlowClientsResult:
    requests = [request for (request,) in context.requests_of(SERVERS[OURS])]
    peak = await run_clients(
        port,
        lambda number: [requests[number % len(requests)]],
        clients=CLIENTS,
        warm_up=2.0,
        seconds=context.seconds,
    )
    rate = _HEALTHY_SHARE * peak.rate

    async def healthy() -> float:
        load = await offer_rate(port, itertools.cycle(requests), rate=rate, seconds=context.seconds)
        return load.latency(99)

    without, beside, senders, idle = [], [], [0.0], [0.0]
    for _ in range(context.rounds):
        without.append(await healthy())
        slow = [asyncio.create_task(_send_slowly(port)) for _ in range(_SLOW_SENDERS)]
        silent = [asyncio.create_task(_stay_idle(port)) for _ in range(_IDLE_SOCKETS)]
        await asyncio.sleep(1.0)
        beside.append(await healthy())
        senders += await asyncio.gather(*slow)
        idle += await asyncio.gather(*silent)
    return SlowClientsResult(
        slow_senders=_SLOW_SENDERS,
        idle_sockets=_IDLE_SOCKETS,
        offered=rate,
        p99_without=tuple(without),
        p99_with=tuple(beside),
        receive_seconds=_RECEIVE_SECONDS,
        idle_seconds=_IDLE_SECONDS,
        slowest_sender_closed=max(senders),
        slowest_idle_closed=max(idle),
    )


async def _send_slowly(port: int) -> float:
    """Send headers byte by byte; seconds until the server closed the connection."""
    reader, writer = await asyncio.open_connection(HOST, port)
    started = time.perf_counter()
    closed = asyncio.create_task(_until_closed(reader, started + _RECEIVE_SECONDS + _GRACE))
    for byte in _SLOW_HEAD:
        if closed.done():
            break
        writer.write(bytes([byte]))
        await asyncio.wait([closed], timeout=_BYTE_SECONDS)
    writer.close()
    return await closed - started


async def _stay_idle(port: int) -> float:
    """Send nothing; seconds until the server closed the connection."""
    reader, writer = await asyncio.open_connection(HOST, port)
    started = time.perf_counter()
    closed = await _until_closed(reader, started + _IDLE_SECONDS + _GRACE)
    writer.close()
    return closed - started


async def _until_closed(reader: asyncio.StreamReader, deadline: float) -> float:
    """The moment at which the server closed the connection, or ``deadline``; what it says before is not read."""
    try:
        async with asyncio.timeout(deadline - time.perf_counter()):
            while await reader.read(4096):
                pass
    except TimeoutError:
        return deadline
    except OSError:
        pass
    return time.perf_counter()
