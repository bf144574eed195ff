"""Fixed matrix products whose seconds show, in every round, how fast the machine is at that moment."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np

from mtl_bench.processes.worker_process import Environment, WorkerError, WorkerProcess, start_worker
from mtl_bench.worker.serve import Worker
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.errors import MtlError

__all__ = ["prepare", "start_reference", "time_reference"]

# A product is computed by one thread. One that is cut into equal parts for all cores waits for the slowest part: a busy
# neighbour made it five times as slow, and the systems next to it twice.
_ONE_THREAD = Environment(variables=dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

_SIZE = 512
_PRODUCTS = 4  # for each core in a pass; a free core takes the next, as a runtime's workers take batches
_PASSES = 7  # their median counts: a single pass that was interrupted says nothing about the moment


def start_reference() -> AbstractContextManager[WorkerProcess]:
    """A process that computes the products; it ends with the block."""
    return start_worker(f"{__name__}:prepare", environment=_ONE_THREAD)


def time_reference(process: WorkerProcess) -> float:
    """Seconds of the products now.

    Raises:
        MtlError: they failed; without them no figure can be trusted, so the run ends.
    """
    try:
        return float(process.run("product").value)
    except WorkerError as error:
        raise MtlError(f"the reference product, which all times are compared with, failed: {error}") from error


def prepare() -> Worker:
    """In the worker process: products of float32 matrices by numpy on all cores; about a tenth of a second in all."""
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((_SIZE, _SIZE), dtype=np.float32) for _ in range(2))
    cores = allowed_cores()
    pool = ThreadPoolExecutor(cores)
    results = [np.empty_like(left) for _ in range(_PRODUCTS * cores)]

    def run_pass() -> float:
        start = time.perf_counter()
        list(pool.map(lambda result: np.matmul(left, right, out=result), results))
        return time.perf_counter() - start

    return Worker({"product": lambda: statistics.median(run_pass() for _ in range(_PASSES))})
