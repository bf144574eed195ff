"""provider + threads + what to optimize for -> ExecutionConfig: parallel runs and tokens per batch."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from mtl_runtime.core import records
from mtl_runtime.errors import RecordError
from mtl_runtime.providers.registry import get_provider

__all__ = ["ExecutionConfig", "OptimizeFor", "candidate_batch_tokens", "default_execution", "worker_layouts"]

OptimizeFor = Literal["throughput", "latency"]

# A second run keeps a device busy while the results of the first are copied back.
_RUNS_ON_A_DEVICE = 2
_MOST_THREADS = 4096
_MOST_TOKENS = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionConfig:
    """How a classifier runs batches on its session."""

    workers: int  # runs of the session at the same time
    threads: int  # intra-op threads of each run
    # Padded tokens (rows x longest row) of a batch.
    max_batch_tokens: int = field(metadata=records.keys("max_batch_tokens", "token_budget"))

    def __post_init__(self) -> None:
        if min(self.workers, self.threads, self.max_batch_tokens) < 1:
            raise RecordError("", f"workers, threads and max_batch_tokens must be at least 1, found {self}")
        if max(self.workers, self.threads) > _MOST_THREADS or self.max_batch_tokens > _MOST_TOKENS:
            raise RecordError("", f"no machine runs with {self}")


def default_execution(provider: str, *, threads: int, optimize_for: OptimizeFor) -> ExecutionConfig:
    """Choose the config for a machine without measurements.

    Throughput: one run per core, since threads that share a run wait for each other after every operator.
    Latency: one run that all cores share.

    Args:
        provider: a name of :data:`mtl_runtime.providers.registry.PROVIDERS`.
        threads: that may compute at the same time, over all runs.
        optimize_for: most texts per second, or the shortest wait for a single text.

    Raises:
        ProviderError: the provider is unknown.
    """
    row = get_provider(provider)
    if optimize_for == "latency":
        return ExecutionConfig(workers=1, threads=threads, max_batch_tokens=row.max_batch_tokens)
    if row.is_device:
        return ExecutionConfig(workers=_RUNS_ON_A_DEVICE, threads=1, max_batch_tokens=row.max_batch_tokens)
    return ExecutionConfig(workers=threads, threads=1, max_batch_tokens=row.max_batch_tokens)


def worker_layouts(provider: str, *, threads: int) -> Iterator[tuple[int, int]]:
    """Yield pairs of workers and threads worth trying: from one run per core, by halves, to one run on all cores."""
    if get_provider(provider).is_device:
        yield from ((workers, 1) for workers in (1, _RUNS_ON_A_DEVICE))
        return
    workers = threads
    while workers:
        yield workers, threads // workers
        workers //= 2


def candidate_batch_tokens(provider: str) -> tuple[int, ...]:
    """List batch sizes in tokens worth trying, around the provider's default."""
    default = get_provider(provider).max_batch_tokens
    return default // 2, default, default * 2, default * 4
