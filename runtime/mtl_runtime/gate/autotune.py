"""how to open a variant at a pace + texts -> the pace that answers them fastest on this machine."""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.providers.execution_config import (
    ExecutionConfig,
    candidate_batch_tokens,
    default_execution,
    worker_layouts,
)

__all__ = ["autotune"]

_TEXTS = 256
_ROUNDS = 5
# By which another pace has to be faster than the usual one: less is noise, and not worth another number.
_WORTH = 1.03


def autotune(
    open_at: Callable[[ExecutionConfig], Classifier],
    provider: str,
    texts: Sequence[str],
    *,
    report: Callable[[str], None] = lambda _: None,
) -> ExecutionConfig:
    """Try how the cores are divided among runs, then how large the batches are.

    All paces of a step are timed in turn, several rounds long, so that what slows the machine slows all of them.
    The usual pace stays unless another one is clearly faster.

    Args:
        open_at: opens the variant at a pace.
        provider: the variant's, a name of :data:`mtl_runtime.providers.registry.PROVIDERS`.
        texts: sentences of the kind that will come; at least one.
        report: is told each step.
    """
    # Few texts would make few batches, and leave workers idle that are busy on a long call.
    sample = evenly_spaced(list(texts) * math.ceil(_TEXTS / len(texts)), _TEXTS)
    cores = allowed_cores()
    usual = default_execution(provider, threads=cores, optimize_for="throughput")
    report("how to divide the cores")
    divided = (replace(usual, workers=w, threads=t) for w, t in worker_layouts(provider, threads=cores))
    best = _fastest(open_at, usual, divided, sample)
    report("how large the batches should be")
    return _fastest(
        open_at, best, (replace(best, max_batch_tokens=size) for size in candidate_batch_tokens(provider)), sample
    )


def _fastest(
    open_at: Callable[[ExecutionConfig], Classifier],
    usual: ExecutionConfig,
    others: Iterable[ExecutionConfig],
    texts: Sequence[str],
) -> ExecutionConfig:
    opened = {pace: open_at(pace) for pace in dict.fromkeys([usual, *others])}
    seconds: dict[ExecutionConfig, list[float]] = {pace: [] for pace in opened}
    for classifier in opened.values():
        classifier.logits(texts)
    for _ in range(_ROUNDS):
        for pace, classifier in opened.items():
            start = time.perf_counter()
            classifier.logits(texts)
            seconds[pace].append(time.perf_counter() - start)
    gains = {
        pace: statistics.median(mine / other for mine, other in zip(seconds[usual], taken, strict=True))
        for pace, taken in seconds.items()
    }
    best = max(gains, key=lambda pace: gains[pace])
    return best if gains[best] >= _WORTH else usual
