"""nothing -> Prepared: fixed products that tell, in every round, what the machine gives at that moment."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mtl_bench.processes.worker_process import Environment
from mtl_bench.worker.child import Worker
from mtl_runtime.core.machine import allowed_cores

__all__ = ["ALONE", "prepare"]

# A product is computed by one thread. One that is cut into equal parts for all cores waits for the slowest part: a busy
# neighbour made it five times as slow, and the systems beside it twice.
ALONE = Environment(variables=dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

_SIZE = 512
_PRODUCTS = 4  # for each core in a pass; a free core takes the next, as a runtime's workers take batches
_PASSES = 7  # their median is told: a single one that was interrupted says nothing of the moment


def prepare() -> Worker:
    """Products of float32 matrices by numpy on all cores; about a tenth of a second in all."""
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((_SIZE, _SIZE), dtype=np.float32) for _ in range(2))
    cores = allowed_cores()
    pool = ThreadPoolExecutor(cores)
    results = [np.empty_like(left) for _ in range(_PRODUCTS * cores)]

    def one_pass() -> float:
        start = time.perf_counter()
        list(pool.map(lambda result: np.matmul(left, right, out=result), results))
        return time.perf_counter() - start

    return Worker({"product": lambda: statistics.median(one_pass() for _ in range(_PASSES))})
