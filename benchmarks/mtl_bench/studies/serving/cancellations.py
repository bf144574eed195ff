"""Ours while three of ten clients hang up before they are answered -> CancellationResult."""

import asyncio
import http.client
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mtl_bench.studies.serving.context import ServingContext
from mtl_bench.studies.serving.http_client import HOST, Connection
from mtl_bench.studies.serving.results import CancellationResult
from mtl_bench.studies.serving.servers import OURS, SERVERS
from mtl_bench.studies.serving.speed import CLIENTS
from mtl_runtime.loading.load import load

__all__ = ["measure_cancellations"]

_REQUESTS = 5_000
_SHARE = 0.3
_LATEST = 0.25  # seconds after which a client that hangs up has done so
_PENDING = {"texts": "mtl_queue_texts", "requests": "mtl_requests_in_progress"}  # of /metrics


@dataclass(slots=True)
class _Counts:
    cancelled: int = 0
    right: int = 0
    wrong: int = 0
    failures: Counter[str] = field(default_factory=Counter)


def measure_cancellations(context: ServingContext, *, seed: int = 0) -> CancellationResult:
    """Send 5,000 requests, compare the answers with the library's, and look what is left."""
    predictions = load(context.served.bundle)(context.sentences)
    labels = [{task: each[task].label for task in context.served.tasks} for each in predictions]
    requests = [request for (request,) in context.requests_of(SERVERS[OURS])]
    with context.start() as server:
        counts = asyncio.run(_send_all(server.port, requests, labels, random.Random(seed)))  # noqa: S311 - no secret
        pending = _read_pending(server.port)
    return CancellationResult(
        requests=_REQUESTS,
        cancelled=counts.cancelled,
        right=counts.right,
        wrong=counts.wrong,
        failures=counts.failures,
        pending_texts=pending["texts"],
        pending_requests=pending["requests"],
    )


async def _send_all(
    port: int, requests: Sequence[bytes], labels: Sequence[Mapping[str, str]], chance: random.Random
) -> _Counts:
    counts, numbers = _Counts(), iter(range(_REQUESTS))
    await asyncio.gather(*(_ask(port, numbers, requests, labels, chance, counts) for _ in range(CLIENTS)))
    await asyncio.sleep(1.0)
    return counts


async def _ask(
    port: int,
    numbers: Iterator[int],
    requests: Sequence[bytes],
    labels: Sequence[Mapping[str, str]],
    chance: random.Random,
    counts: _Counts,
) -> None:
    connection = await Connection.open(port)
    for number in numbers:
        index = number % len(requests)
        if chance.random() < _SHARE:
            counts.cancelled += 1
            with_timeout = asyncio.wait_for(connection.send(requests[index]), chance.uniform(0.0, _LATEST))
            await asyncio.gather(with_timeout, return_exceptions=True)
            connection.close()
            connection = await Connection.open(port)
            continue
        response = await connection.send(requests[index])
        if response.status != 200:
            counts.failures[str(response.status)] += 1
            continue
        (answer,) = response.json()["predictions"]
        told = {task: one["label"] for task, one in answer["answers"].items()}
        if told == labels[index]:
            counts.right += 1
        else:
            counts.wrong += 1
    connection.close()


def _read_pending(port: int) -> dict[str, int]:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {what: int(float(values[name])) for what, name in _PENDING.items()}
