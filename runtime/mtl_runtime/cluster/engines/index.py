"""The shards of one process of an array: Kubernetes and Slurm start the same command many times, each with a number."""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mtl_runtime.cluster.engines.engine import EngineOptions
from mtl_runtime.cluster.worker import Outcome, ShardWorker, WorkerTask
from mtl_runtime.errors import MtlError

__all__ = ["ArrayPlace", "run_here", "select_by_index"]


@dataclass(frozen=True, slots=True)
class ArrayPlace:
    """Which process this is, of how many."""

    index: int  # from 0
    count: int

    @classmethod
    def find(cls, where: str, environment: Mapping[str, str]) -> "ArrayPlace":
        """Read it from the variables of Kubernetes (Indexed Jobs) or Slurm (arrays).

        Args:
            where: the count, which Kubernetes does not tell its processes; for Slurm it may be empty.
            environment: of the process.

        Raises:
            MtlError: a variable is missing, or is no number within the others.
        """
        if "JOB_COMPLETION_INDEX" in environment:
            index, count = environment["JOB_COMPLETION_INDEX"], where
            if not where:
                raise MtlError("Kubernetes does not say how many processes a job has; write --on index:COMPLETIONS")
            return cls._parse(index, count, "0")
        if "SLURM_ARRAY_TASK_ID" in environment:
            count = where or environment.get("SLURM_ARRAY_TASK_COUNT", "")
            return cls._parse(environment["SLURM_ARRAY_TASK_ID"], count, environment.get("SLURM_ARRAY_TASK_MIN", "0"))
        variables = "JOB_COMPLETION_INDEX (Kubernetes) nor SLURM_ARRAY_TASK_ID (Slurm)"
        raise MtlError(f"--on index is for a process of an array, and neither {variables} is set here")

    @classmethod
    def _parse(cls, index: str, count: str, first: str) -> "ArrayPlace":
        try:
            place = cls(int(index) - int(first), int(count))
        except ValueError:
            place = cls(0, 0)
        if not 0 <= place.index < place.count:
            raise MtlError(f"process {index} (the first is {first}) of {count or 'an unknown number'} cannot be")
        return place

    def select(self, shards: int) -> range:
        """The shards of this process: consecutive ones, as many as any other process has, or one more or less."""
        return range(shards * self.index // self.count, shards * (self.index + 1) // self.count)


def select_by_index(shards: int, options: EngineOptions) -> range:
    """The shards of this process, of so many.

    Raises:
        MtlError: as :meth:`ArrayPlace.find`.
    """
    return ArrayPlace.find(options.where, os.environ).select(shards)


def run_here(task: WorkerTask, shards: deque[int], options: EngineOptions) -> Iterator[Outcome]:  # noqa: ARG001
    """Run shards one after the other in this process.

    Raises:
        MtlError: while iterating: as :class:`mtl_runtime.cluster.worker.ShardWorker`.
    """
    worker = ShardWorker(task)
    while shards:
        yield worker.run(shards.popleft())
