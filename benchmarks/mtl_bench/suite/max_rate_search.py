"""a process + its offline pace -> Server: the highest rate at which the 99th percentile keeps to the bound."""

from mtl_bench.analysis.summary import percentile
from mtl_bench.processes.worker_process import WorkerProcess
from mtl_bench.results.schema import Rate, Server

__all__ = ["RANK", "search"]

RANK = 99
# A percentile of fewer is one of its few largest values.
_FEWEST, _MOST = 100, 2000
_TOGETHER = 32  # texts that wait and are answered in one call; no text twice, for ours computes it once


def search(
    process: WorkerProcess, *, size: int, most: int, offline: float, bound: float, steps: int, seconds: float
) -> Server:
    """Halve the range between nothing and the offline pace, which no rate can exceed for long.

    Args:
        process: told the run ``server``.
        size: of the batches of texts that are answered in one call.
        most: of them; the texts that there are.
        offline: texts per second.
        bound: of the 99th percentile, in seconds.
        steps: rates to try.
        seconds: that each is offered for; longer where fewer than 100 texts would come.
    """
    low, high = 0.0, offline
    rates = []
    for number in range(steps):
        rates.append(
            _offer(process, (low + high) / 2, bound, seconds, size=size, most=min(most, _TOGETHER), seed=number)
        )
        low, high = (rates[-1].offered, high) if rates[-1].kept_up else (low, rates[-1].offered)
    return Server(bound=bound, rates=tuple(rates), best=low or None)


def _offer(
    process: WorkerProcess, rate: float, bound: float, seconds: float, *, size: int, most: int, seed: int
) -> Rate:
    queries = min(_MOST, max(_FEWEST, round(rate * seconds)))
    latencies = process.run("server", rate=rate, queries=queries, size=size, most=most, seed=seed).value
    return Rate(offered=rate, latencies=tuple(latencies), kept_up=percentile(latencies, RANK) <= bound)
