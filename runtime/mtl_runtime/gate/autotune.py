"""a variant's classifier + texts -> the ExecutionConfig that answers them fastest on this machine."""

import logging
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.core.work import stage_work
from mtl_runtime.gate.work import AUTOTUNE_WORK
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.providers.execution_config import (
    ExecutionConfig,
    candidate_batch_tokens,
    default_execution,
    worker_layouts,
)

__all__ = ["autotune"]

_log = logging.getLogger(__name__)

# Enough of them that each core has several batches, however few texts there are.
_TEXTS_PER_CORE = 64
_MOST_TEXTS = 256
_ROUNDS = 5
# By which another config has to be faster than the default: less is noise, and not worth another number.
_WORTH = 1.03
# After so many rounds a config drops out that was so much faster, compared with the default, in none of them.
_DROP_BELOW = {1: 1.0, 2: _WORTH, 3: _WORTH, 4: _WORTH}


def autotune(
    classifier: Classifier, open_with: Callable[[ExecutionConfig], Classifier], texts: Sequence[str]
) -> ExecutionConfig:
    """Try how the cores are divided among runs, then how many tokens a batch should hold.

    All configs of a step are timed in turn, several rounds long, so that what slows the machine slows all of them.
    The default stays unless another one is clearly faster; one that shows nothing of it in the first rounds drops out.

    Args:
        classifier: of the variant, which has answered texts before; it serves all configs with the same session.
        open_with: opens the variant with another config.
        texts: sentences of the kind that will come; at least one.
    """
    # Few texts would make few batches, and leave workers idle that are busy on a long call.
    provider, cores = classifier.info.provider, allowed_cores()
    size = min(_MOST_TEXTS, _TEXTS_PER_CORE * max(2, cores))
    sample = evenly_spaced(list(texts) * math.ceil(size / len(texts)), size)
    default = default_execution(provider, threads=cores, optimize_for="throughput")
    layouts = [replace(default, workers=w, threads=t) for w, t in worker_layouts(provider, threads=cores)]
    divided = dict.fromkeys([default, *layouts])
    _log.info(
        "%s: timing %d ways to divide the cores, of which load takes the fastest",
        classifier.info.variant,
        len(divided),
        extra=stage_work(AUTOTUNE_WORK),
    )
    opened = {config: _open(classifier, config, open_with, sample) for config in divided}
    best = _fastest(opened, default, sample)
    _log.info("%s: timing batch sizes", classifier.info.variant, extra=stage_work(AUTOTUNE_WORK))
    divided_best, (half, usual, *larger) = opened[best], candidate_batch_tokens(provider)
    best = _fastest_size(divided_best, [usual, half, larger[0]], sample)
    for smaller, tokens in pairwise(larger):  # only as long as larger batches are faster
        if best.max_batch_tokens == smaller:
            best = _fastest_size(divided_best, [smaller, tokens], sample)
    return best


def _fastest_size(classifier: Classifier, sizes: Sequence[int], texts: Sequence[str]) -> ExecutionConfig:
    """The config with one of these batch sizes, of which the first is the default."""
    sized = [classifier.with_settings(max_batch_tokens=tokens) for tokens in sizes]
    by_config = {each.settings.execution: each for each in sized}
    return _fastest(by_config, sized[0].settings.execution, texts)


def _open(
    classifier: Classifier,
    config: ExecutionConfig,
    open_with: Callable[[ExecutionConfig], Classifier],
    texts: Sequence[str],
) -> Classifier:
    """A classifier with that config, whose session has run before."""
    own = classifier.settings.execution
    if (own.workers, own.threads) == (config.workers, config.threads):
        return classifier.with_settings(max_batch_tokens=config.max_batch_tokens)
    opened = open_with(config)
    opened.logits(texts)
    return opened


def _fastest(
    classifiers: Mapping[ExecutionConfig, Classifier], default: ExecutionConfig, texts: Sequence[str]
) -> ExecutionConfig:
    racing = [config for config in classifiers if config != default]
    gains: dict[ExecutionConfig, list[float]] = {config: [] for config in racing}
    for number in range(1, _ROUNDS + 1):
        own = _seconds(classifiers[default], texts)
        for config in racing:
            gains[config].append(own / _seconds(classifiers[config], texts))
        racing = [config for config in racing if max(gains[config]) >= _DROP_BELOW.get(number, 0.0)]
        if not racing:
            return default
    best = max(racing, key=lambda config: statistics.median(gains[config]))
    return best if statistics.median(gains[best]) >= _WORTH else default


def _seconds(classifier: Classifier, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    classifier.logits(texts)
    return time.perf_counter() - start
