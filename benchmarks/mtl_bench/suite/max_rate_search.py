"""a system's process + its offline throughput -> Server: the highest rate whose 99th percentile is within the bound."""

from mtl_bench.analysis.summary import percentile
from mtl_bench.processes.worker_process import WorkerProcess
from mtl_bench.results.scenarios import Rate, Server

__all__ = ["RANK", "search_max_rate"]

RANK = 99
# A percentile of fewer queries is one of its few largest values.
_MIN_QUERIES, _MAX_QUERIES = 100, 2000
_MAX_TEXTS = 32  # that wait and are answered in one call; no text twice, for ours computes it once


def search_max_rate(
    process: WorkerProcess, *, size: int, texts: int, offline: float, bound: float, steps: int, seconds: float
) -> Server:
    """Halve the range between nothing and the offline throughput, which no rate can exceed for long.

    Args:
        process: that has the run ``server``.
        size: of the batches of texts that are answered in one call.
        texts: number of distinct texts.
        offline: texts per second.
        bound: of the 99th percentile, in seconds.
        steps: rates to try.
        seconds: for which each rate is offered; longer where fewer than 100 texts would come.
    """
    low, high = 0.0, offline
    rates = []
    for number in range(steps):
        rate = _offer(
            process, (low + high) / 2, bound, seconds, size=size, max_texts=min(texts, _MAX_TEXTS), seed=number
        )
        rates.append(rate)
        low, high = (rate.offered, high) if rate.kept_up else (low, rate.offered)
    return Server(bound=bound, rates=tuple(rates), best=low or None)


def _offer(
    process: WorkerProcess, rate: float, bound: float, seconds: float, *, size: int, max_texts: int, seed: int
) -> Rate:
    queries = min(_MAX_QUERIES, max(_MIN_QUERIES, round(rate * seconds)))
    latencies = process.run("server", rate=rate, queries=queries, size=size, max_texts=max_texts, seed=seed).value
    return Rate(offered=rate, latencies=tuple(latencies), kept_up=percentile(latencies, RANK) <= bound)
