"""a bundle's own words + a length profile -> synthetic texts of those lengths, the same for the same seed.

For speed alone: such texts mean nothing, and no accuracy is measured on them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_bench.workloads.workload import Workload

__all__ = ["PROFILES", "LengthProfile", "synthetic_workload"]

LengthDraw = Callable[[np.random.Generator, int], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class LengthProfile:
    """Lengths that one kind of texts has, in words."""

    title: str
    draw: LengthDraw
    shortest: int
    longest: int
    texts: int  # enough for full batches, and for a pass of about a second


def _log_normal(median: float, spread: float) -> LengthDraw:
    """The distribution that lengths of texts have: ``spread`` is the factor of one standard deviation."""
    return lambda generator, count: median * spread ** generator.standard_normal(count)


def _pareto(generator: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Pareto with index 1.1 from 4 words on: most texts are short, a few take most of the time."""
    return 4.0 * (1.0 + generator.pareto(1.1, count))


PROFILES: Mapping[str, LengthProfile] = {
    "tweets": LengthProfile("tweets: about 12 words", _log_normal(12, 1.6), 2, 40, 512),
    "sentences": LengthProfile("sentences: about 20 words", _log_normal(20, 1.7), 3, 80, 384),
    "paragraphs": LengthProfile("paragraphs: about 90 words", _log_normal(90, 1.4), 30, 250, 96),
    "mixed": LengthProfile("mixed: 4 words and more, with a heavy tail", _pareto, 4, 400, 384),
}


def synthetic_workload(profile: str, words: Sequence[str], *, seed: int = 0) -> Workload:
    """Texts of a profile of :data:`PROFILES`.

    Args:
        profile: its name.
        words: to draw from, such as those of the bundle's golden texts: they decide how a word becomes tokens.
        seed: of the draws.
    """
    row = PROFILES[profile]
    generator = np.random.default_rng(seed)
    lengths = np.clip(np.rint(row.draw(generator, row.texts)), row.shortest, row.longest).astype(int)
    texts = [" ".join(generator.choice(words, length)) for length in lengths]
    return Workload(name=profile, timed=texts, scored=texts)
