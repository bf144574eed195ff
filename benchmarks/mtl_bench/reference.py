"""nothing -> Prepared: a fixed product that tells, in every round, what the machine gives at that moment."""

import numpy as np

from mtl_bench.driven.child import Prepared

__all__ = ["prepare"]

_SIZE = 768
_PRODUCTS = 4


def prepare() -> Prepared:
    """Products of float32 matrices by numpy, on all its threads; a few hundredths of a second."""
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((_SIZE, _SIZE), dtype=np.float32) for _ in range(2))

    def product() -> None:
        for _ in range(_PRODUCTS):
            left @ right

    return Prepared({"product": product})
