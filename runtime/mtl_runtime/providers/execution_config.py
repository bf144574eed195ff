"""provider + threads allowed + what to optimize for -> Pace: how many runs at once, and how large the batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mtl_runtime.errors import RecordError
from mtl_runtime.providers.registry import provider_named

__all__ = ["OptimizeFor", "Pace", "budgets", "layouts", "usual_pace"]

OptimizeFor = Literal["throughput", "latency"]

# A second run keeps a device busy while the first one's results travel back.
_RUNS_ON_A_DEVICE = 2
_MOST_THREADS = 4096
_MOST_TOKENS = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a classifier drives its session."""

    workers: int  # runs of the session at the same time
    threads: int  # intra-op threads of each run
    token_budget: int  # padded tokens (rows x longest row) of a batch

    def __post_init__(self) -> None:
        if min(self.workers, self.threads, self.token_budget) < 1:
            raise RecordError("pace", f"workers, threads and token_budget must be at least 1, found {self}")
        if max(self.workers, self.threads) > _MOST_THREADS or self.token_budget > _MOST_TOKENS:
            raise RecordError("pace", f"no machine runs at {self}")


def usual_pace(provider: str, *, threads: int, optimize_for: OptimizeFor) -> Pace:
    """The pace of a machine on which nothing was measured.

    Throughput: one run on each core, since threads that share a run wait for each other after every operator.
    Latency: one run that all cores share.

    Args:
        provider: a name of :data:`mtl_runtime.providers.registry.PROVIDERS`.
        threads: that may compute at the same time, over all runs.
        optimize_for: many texts a second, or the shortest wait for a lone text.

    Raises:
        ProviderError: the provider is unknown.
    """
    row = provider_named(provider)
    if optimize_for == "latency":
        return Pace(workers=1, threads=threads, token_budget=row.token_budget)
    if row.is_device:
        return Pace(workers=_RUNS_ON_A_DEVICE, threads=1, token_budget=row.token_budget)
    return Pace(workers=threads, threads=1, token_budget=row.token_budget)


def layouts(provider: str, *, threads: int) -> Iterator[tuple[int, int]]:
    """Pairs of workers and threads worth trying: from a run on each core to one run on all, by halves."""
    if provider_named(provider).is_device:
        yield from ((workers, 1) for workers in (1, _RUNS_ON_A_DEVICE))
        return
    workers = threads
    while workers:
        yield workers, threads // workers
        workers //= 2


def budgets(provider: str) -> tuple[int, ...]:
    """Token budgets worth trying, around the provider's usual one."""
    usual = provider_named(provider).token_budget
    return usual // 2, usual, usual * 2, usual * 4
