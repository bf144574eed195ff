"""``--on NAME[:WHERE]`` -> the engine: a function that runs shards somewhere and yields what became of each."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mtl_runtime.cluster.worker import Outcome, WorkerTask

__all__ = ["Engine", "EngineOptions", "RunShards"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Where and how wide shards are run."""

    where: str = ""  # what follows the engine's name: an address, or a number of processes of an array
    processes: int | None = None  # None: as many as fit
    threads: int = 1  # of each, that compute


class RunShards(Protocol):
    """Takes the shards out of a queue, runs each once, in any order, and yields its outcome.

    The caller may put shards back while it takes outcomes: an engine that can runs them too, any other leaves them.
    """

    def __call__(self, task: WorkerTask, shards: deque[int], options: EngineOptions) -> Iterator[Outcome]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A row of the table of engines."""

    run: RunShards
    # Of all shards, those of this process, where several are started with the same command; None: it drives all.
    select: Callable[[int, EngineOptions], range] | None = None
    takes_where: bool = True  # whether an address or a number may follow its name
    package: str | None = None  # that has to be installed, for which the extra is named after the engine
