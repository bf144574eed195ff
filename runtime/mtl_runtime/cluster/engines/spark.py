"""Shards on a Spark cluster: a task each, on Python workers that keep their classifier."""

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mtl_runtime.cluster.bundle_archive import pack_bundle
from mtl_runtime.cluster.engines.engine import EngineOptions
from mtl_runtime.cluster.engines.shipped_worker import run_shipped
from mtl_runtime.cluster.worker import Outcome, WorkerTask
from mtl_runtime.errors import MissingPackageError

__all__ = ["find_cause", "run_on_spark"]


def run_on_spark(task: WorkerTask, shards: deque[int], options: EngineOptions) -> Iterator[Outcome]:
    """Run shards as the partitions of one Spark job, on the session that there is or a new one at ``options.where``.

    The outcomes come together at its end; ``mtl predict --status`` knows before. If Spark gives the job up, what is
    done is done. Executors need mtl-export of the same version.

    Raises:
        MissingPackageError: PySpark is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingPackageError("--on spark needs PySpark; run `pip install 'mtl-export[spark]'`") from error
    if options.where.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # otherwise workers are the first python3 on the PATH
    builder: Any = SparkSession.builder
    builder = builder.appName("mtl predict").config("spark.task.cpus", options.threads)
    context = (builder.master(options.where) if options.where else builder).getOrCreate().sparkContext
    numbers = list(shards)
    shards.clear()
    archive = context.broadcast(pack_bundle(Path(task.bundle)))
    try:
        lines = context.parallelize(numbers, len(numbers)).mapPartitions(partial(_run, task, archive)).collect()
    except Exception as error:  # noqa: BLE001 - py4j's, about a job that Spark gave up
        cause = find_cause(str(error))
        yield from (Outcome.lost(shard, f"Spark gave the job up: {cause}") for shard in numbers)
    else:
        yield from map(Outcome.from_line, lines)
    finally:
        archive.destroy()


def find_cause(message: str) -> str:
    """Message of an error of Spark's -> its exception in one line: Python's where a worker raised one."""
    before, _, trace = message.partition("Traceback (most recent call last):\n")
    raised = (line for line in trace.splitlines() if not line.startswith(" "))
    return next(raised, "") or before.partition("\n")[0]


def _run(task: WorkerTask, archive: Any, shards: Iterable[int]) -> Iterator[bytes]:
    """What a Python worker does with a partition."""
    for shard in shards:
        yield run_shipped(task, lambda: archive.value, shard).to_line()
