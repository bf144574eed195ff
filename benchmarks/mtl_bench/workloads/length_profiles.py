"""a bundle's own words + a length profile -> synthetic texts of those lengths, the same for the same seed.

For speed alone: such texts mean nothing, and nobody's accuracy is measured on them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_bench.workloads.workload import Workload

__all__ = ["PROFILES", "Profile", "synthetic"]

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Profile:
    """Lengths that a kind of texts has, in words."""

    title: str
    draw: Draw
    least: int
    most: int
    texts: int  # enough for full batches, and for a pass of about a second


def _around(median: float, spread: float) -> Draw:
    """Log-normal, as lengths of texts are: ``spread`` is the factor of one standard deviation."""
    return lambda generator, count: median * spread ** generator.standard_normal(count)


def _heavy_tail(generator: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Pareto with index 1.1 from 4 words on: most are short, a few take most of the time."""
    return 4.0 * (1.0 + generator.pareto(1.1, count))


PROFILES: Mapping[str, Profile] = {
    "tweets": Profile("tweets: about 12 words", _around(12, 1.6), 2, 40, 512),
    "sentences": Profile("sentences: about 20 words", _around(20, 1.7), 3, 80, 384),
    "paragraphs": Profile("paragraphs: about 90 words", _around(90, 1.4), 30, 250, 96),
    "mixed": Profile("mixed: 4 words and more, with a heavy tail", _heavy_tail, 4, 400, 384),
}


def synthetic(profile: str, words: Sequence[str], *, seed: int = 0) -> Workload:
    """Texts of a profile of :data:`PROFILES`.

    Args:
        profile: its name.
        words: to be drawn from, such as those of the bundle's golden texts: how words fall into tokens depends on them.
        seed: of the draws.
    """
    row = PROFILES[profile]
    generator = np.random.default_rng(seed)
    lengths = np.clip(np.rint(row.draw(generator, row.texts)), row.least, row.most).astype(int)
    texts = [" ".join(generator.choice(words, length)) for length in lengths]
    return Workload(name=profile, timed=texts, judged=texts)
