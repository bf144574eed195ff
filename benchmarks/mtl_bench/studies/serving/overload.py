"""Ours at three times the rate that it sustains, for a minute -> OverloadResult."""

import asyncio
import itertools
import statistics
import time

from mtl_bench.studies.serving.context import ServingContext
from mtl_bench.studies.serving.http_client import Connection
from mtl_bench.studies.serving.load import LoadResult, offer_rate, run_clients, time_alone
from mtl_bench.studies.serving.results import OverloadResult
from mtl_bench.studies.serving.server_process import ServerProcess
from mtl_bench.studies.serving.servers import OURS, SERVERS
from mtl_bench.studies.serving.speed import CLIENTS

__all__ = ["measure_overload"]

_FACTOR = 3
_SECONDS = 60.0
_SAMPLE_SECONDS = 0.5  # between two looks at the memory
_RECOVERED = 2.0  # times the seconds of a request on an idle server
_GIVE_UP = 30.0


def measure_overload(context: ServingContext) -> OverloadResult:
    """Measure the sustained rate, then offer three times as much."""
    with context.start() as server:
        return asyncio.run(_measure(context, server))


async def _measure(context: ServingContext, server: ServerProcess) -> OverloadResult:
    requests = [request for (request,) in context.requests_of(SERVERS[OURS])]
    peak = await run_clients(
        server.port,
        lambda number: [requests[number % len(requests)]],
        clients=CLIENTS,
        warm_up=2.0,
        seconds=context.seconds,
    )
    idle = statistics.median(await time_alone(server.port, lambda _: requests[:1], count=100))
    before, samples = server.resident_bytes, asyncio.create_task(_sample_memory(server))
    offered = _FACTOR * peak.rate
    load, recovery = await asyncio.gather(
        offer_rate(server.port, itertools.cycle(requests), rate=offered, seconds=_SECONDS),
        _time_recovery(server.port, requests[0], idle),
    )
    samples.cancel()
    return _summarize(load, peak.rate, offered, before, await _peak(samples, server), recovery)


def _summarize(
    load: LoadResult, sustained: float, offered: float, before: int, peak: int, recovery: float
) -> OverloadResult:
    return OverloadResult(
        sustained=sustained,
        offered=offered,
        seconds=_SECONDS,
        statuses={str(status): count for status, count in sorted(load.statuses.items())},
        goodput=load.rate,
        p99=load.latency(99),
        resident_before=before,
        resident_peak=peak,
        recovery=recovery,
    )


async def _sample_memory(server: ServerProcess) -> int:
    peak = 0
    try:
        while True:
            peak = max(peak, server.resident_bytes)
            await asyncio.sleep(_SAMPLE_SECONDS)
    except asyncio.CancelledError:
        return peak


async def _peak(samples: "asyncio.Task[int]", server: ServerProcess) -> int:
    return max(await samples, server.resident_bytes)


async def _time_recovery(port: int, request: bytes, idle: float) -> float:
    """Seconds after the overload until a request takes no more than twice as long as on an idle server."""
    await asyncio.sleep(_SECONDS)
    begin, connection = time.perf_counter(), await Connection.open(port)
    while (since := time.perf_counter() - begin) < _GIVE_UP:
        started = time.perf_counter()
        response = await connection.send(request)
        if response.status == 200 and time.perf_counter() - started <= _RECOVERED * idle:
            return since
        await asyncio.sleep(0.02)
    return _GIVE_UP
