"""nothing -> Prepared: a fixed product that tells, in every round, what the machine gives at that moment."""

import statistics
import time

import numpy as np

from mtl_bench.driven.child import Prepared

__all__ = ["prepare"]

_SIZE = 768
_PRODUCTS = 15  # their median is told: a single one that was interrupted says nothing of the moment


def prepare() -> Prepared:
    """Products of float32 matrices by numpy, on all its threads; less than a tenth of a second in all."""
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((_SIZE, _SIZE), dtype=np.float32) for _ in range(2))

    def product() -> float:
        seconds = []
        for _ in range(_PRODUCTS):
            start = time.perf_counter()
            left @ right
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    return Prepared({"product": product})
