"""Shards on a Ray cluster: a task each, on worker processes that keep their classifier."""

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtl_runtime.cluster.bundle_archive import pack_bundle
from mtl_runtime.cluster.engines.engine import EngineOptions
from mtl_runtime.cluster.engines.shipped_worker import run_shipped
from mtl_runtime.cluster.worker import Outcome, WorkerTask
from mtl_runtime.errors import MissingPackageError, MtlError

__all__ = ["run_on_ray"]

_TASKS_FOR_A_CORE = 2  # one runs, one waits: more would only fill the scheduler's queue
_SECONDS_TO_CONNECT = 10.0
_SECONDS_BETWEEN_LOOKS = 10.0  # at the size of the cluster, which may grow


def run_on_ray(task: WorkerTask, shards: deque[int], options: EngineOptions) -> Iterator[Outcome]:
    """Run shards as tasks of ``options.threads`` CPUs each on the cluster at ``options.where``.

    Without an address that is the cluster of RAY_ADDRESS, or the one that runs on this machine, or a new one. The
    bundle is put into the object store once, and each node unpacks it once. Workers need mtl-export of the same
    version, and the extras that the bundle and the files need.

    Raises:
        MissingPackageError: Ray is not installed.
        MtlError: while iterating: the cluster cannot be reached.
    """
    ray = _import_ray()
    with _connected(ray, options.where):
        archive = ray.put(pack_bundle(Path(task.bundle)))
        submit = ray.remote(num_cpus=options.threads, max_retries=0, scheduling_strategy="SPREAD")(_run_shard)
        running: dict[Any, int] = {}
        room, looked = 0, -_SECONDS_BETWEEN_LOOKS
        try:
            while shards or running:
                if time.monotonic() - looked >= _SECONDS_BETWEEN_LOOKS:
                    room, looked = _room(ray, options.threads), time.monotonic()
                while shards and len(running) < room:
                    shard = shards.popleft()
                    # In a list, the archive is fetched where it is needed, and not before each task.
                    running[submit.remote(task.to_line(), [archive], shard)] = shard
                ready, _ = ray.wait(list(running), num_returns=1, timeout=_SECONDS_BETWEEN_LOOKS)
                for reference in ready:
                    yield _outcome(ray, reference, running.pop(reference))
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _run_shard(task: bytes, archive: Sequence[Any], shard: int) -> bytes:
    """What a task does: a line of JSON in, one out."""
    import ray

    def fetch() -> bytes:
        data: bytes = ray.get(archive[0])
        return data

    return run_shipped(WorkerTask.from_line(task), fetch, shard).to_line()


def _outcome(ray: Any, reference: Any, shard: int) -> Outcome:
    try:
        return Outcome.from_line(ray.get(reference))
    except ray.exceptions.RayTaskError as error:  # a worker without our package, for example
        return Outcome(shard=shard, error=f"a Ray task failed: {error.cause or error}", stops_job=True)
    except ray.exceptions.RayError as error:
        return Outcome.lost(shard, f"{type(error).__name__}: {str(error).splitlines()[0]}")


def _room(ray: Any, threads: int) -> int:
    return max(1, int(_TASKS_FOR_A_CORE * ray.cluster_resources().get("CPU", 1) / threads))


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError("--on ray needs Ray; run `pip install 'mtl-export[ray]'`") from error
    return ray


def _require_listener(address: str) -> None:
    """Fail at once where nothing listens: Ray itself would try for minutes, and then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_CONNECT).close()


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    """A connection to the cluster, the caller's own if there is one."""
    if ray.is_initialized():
        yield
        return
    where = address or os.environ.get("RAY_ADDRESS", "")
    try:
        _require_listener(where)
        ray.init(address=where or None, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise MtlError(f"no Ray cluster answers at {where or 'this machine'}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()
