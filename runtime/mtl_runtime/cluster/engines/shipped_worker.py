"""A worker of an engine that ships the bundle: the process keeps its classifier from one shard to the next."""

import dataclasses
import socket
from collections.abc import Callable

from mtl_runtime.cluster.bundle_archive import unpack_bundle
from mtl_runtime.cluster.worker import Outcome, ShardWorker, WorkerTask
from mtl_runtime.errors import MtlError

__all__ = ["run_shipped"]

_workers: dict[WorkerTask, ShardWorker] = {}  # of this process; one job at a time


def run_shipped(task: WorkerTask, fetch: Callable[[], bytes], shard: int) -> Outcome:
    """Run a shard in this process.

    Args:
        task: what to do, and the hash of the bundle.
        fetch: gets the bundle, packed; called once on each machine.
        shard: its number.
    """
    try:
        if task not in _workers:
            _workers.clear()
            _workers[task] = ShardWorker(dataclasses.replace(task, bundle=str(unpack_bundle(task.digest, fetch))))
        return _workers[task].run(shard)
    except MtlError as error:
        return Outcome(shard=shard, error=str(error), stops_job=True, host=socket.gethostname())
