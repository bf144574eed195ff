"""``--on NAME[:WHERE]`` -> the engine: a function that runs shards somewhere and yields what became of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mtl_runtime.cluster.worker import Outcome, WorkerTask

__all__ = ["Engine", "EngineOptions", "RunShards"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Where and how wide shards are run."""

    where: str = ""  # what follows the engine's name: an address, or a number of processes
    processes: int | None = None  # None: as many as fit
    threads: int = 1  # of each, that compute


class RunShards(Protocol):
    """Runs each shard once, in any order, and yields its outcome; a lost worker is an outcome too."""

    def __call__(self, task: WorkerTask, shards: Sequence[int], options: EngineOptions) -> Iterator[Outcome]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A row of the table of engines."""

    run: RunShards
    # Of all shards, those of this process, where several are started with the same command; None: it drives all.
    select: Callable[[int, EngineOptions], range] | None = None
