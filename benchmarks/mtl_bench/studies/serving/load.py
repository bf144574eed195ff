"""requests -> latencies and statuses: clients that wait for each answer, or requests at a fixed rate."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mtl_bench.analysis.summary import percentile
from mtl_bench.studies.serving.http_client import Connection
from mtl_runtime.errors import CheckFailedError

__all__ = ["LoadResult", "offer_rate", "run_clients", "time_alone"]

# Each sentence takes this many requests at most; the bytes of one after the other.
RequestsOf = Callable[[int], Sequence[bytes]]
_CLOSED = 0  # in place of a status: the server closed the connection


@dataclass(slots=True)
class LoadResult:
    """What became of the requests that began within the time that counts."""

    seconds: float = 0.0  # of that time
    latencies: list[float] = field(default_factory=list)  # seconds, of sentences that were answered with 200
    statuses: Counter[int] = field(default_factory=Counter)  # of sentences; 0: the connection was closed

    @property
    def rate(self) -> float:
        """Sentences a second that were answered with 200."""
        return self.statuses[200] / self.seconds

    def latency(self, rank: float) -> float:
        """Percentile of the latencies, in seconds.

        Raises:
            CheckFailedError: no sentence was answered with 200.
        """
        if not self.latencies:
            raise CheckFailedError(f"no sentence was answered in {self.seconds:.0f} s; statuses: {dict(self.statuses)}")
        return percentile(self.latencies, rank)


async def run_clients(
    port: int, requests_of: RequestsOf, *, clients: int, warm_up: float, seconds: float
) -> LoadResult:
    """Let clients, each on its own connection, ask one sentence after the other.

    Args:
        port: of the server.
        requests_of: number of a sentence -> its requests, sent one after the other.
        clients: how many.
        warm_up: seconds before the time that counts.
        seconds: that count.
    """
    result = LoadResult(seconds=seconds)
    begin = time.perf_counter() + warm_up
    end = begin + seconds

    async def ask(number: int) -> None:
        connection = await Connection.open(port)
        while (started := time.perf_counter()) < end:
            status = await _ask(connection, requests_of(number))
            finished = time.perf_counter()
            if begin <= finished < end:
                result.statuses[status] += 1
                if status == 200:
                    result.latencies.append(finished - started)
            number += clients
        connection.close()

    await asyncio.gather(*(ask(number) for number in range(clients)))
    return result


async def time_alone(port: int, requests_of: RequestsOf, *, count: int) -> list[float]:
    """Seconds of ``count`` sentences, asked one after the other on one connection of an idle server."""
    connection, times = await Connection.open(port), []
    for number in range(count):
        started = time.perf_counter()
        await _ask(connection, requests_of(number))
        times.append(time.perf_counter() - started)
    connection.close()
    return times


async def offer_rate(port: int, requests: Iterable[bytes], *, rate: float, seconds: float) -> LoadResult:
    """Send requests at a fixed rate, whether or not those before are answered, and wait for all answers.

    Args:
        port: of the server.
        requests: taken one by one.
        rate: requests a second.
        seconds: for which they are sent.
    """
    result = LoadResult(seconds=seconds)
    idle: list[Connection] = []
    tasks = set()

    async def ask(request: bytes, started: float) -> None:
        connection = None
        try:
            connection = idle.pop() if idle else await Connection.open(port)
            status = (await connection.send(request)).status
        except (OSError, asyncio.IncompleteReadError):
            result.statuses[_CLOSED] += 1
            if connection is not None:
                connection.close()
            return
        idle.append(connection)
        result.statuses[status] += 1
        if status == 200:
            result.latencies.append(time.perf_counter() - started)

    begin = time.perf_counter()
    for number, request in zip(range(round(rate * seconds)), requests, strict=False):
        due = begin + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        # Latencies count from when the request was due: a late generator must not look like a fast server.
        tasks.add(asyncio.create_task(ask(request, due)))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return result


async def _ask(connection: Connection, requests: Sequence[bytes]) -> int:
    """The first status that is not 200, else 200."""
    for request in requests:
        response = await connection.send(request)
        if response.status != 200:
            return response.status
    return 200
