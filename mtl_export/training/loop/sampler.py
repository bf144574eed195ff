"""lengths, sources, seed, epoch -> the order of an epoch: grouped by length, mixed by source, repeatable.

For given rows the order depends on seed and epoch alone, and no global random state is used. So a run that is resumed
in mid-epoch continues with exactly the sentences that were still to come.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

__all__ = ["MixedLengthSampler", "source_shares"]

# Sentences are sorted by length within chunks of at most this many batches: enough that the sentences of a batch have
# similar lengths. An epoch has at least so many chunks: if it were one, its batches would be the same in every epoch.
_MOST_BATCHES_PER_CHUNK = 50
_LEAST_CHUNKS = 10


def source_shares(sizes: Sequence[int], *, temperature: float) -> list[int]:
    """Number of rows that each source contributes to an epoch; they sum to the number of all rows.

    The share of a source of n rows is proportional to n ** (1 / temperature): by size at 1, equal
    shares at a large temperature. A source with rows contributes at least one row.
    """
    total = sum(sizes)
    weights = np.array([size ** (1.0 / temperature) if size else 0.0 for size in sizes])
    exact = weights / weights.sum() * total
    shares = np.floor(exact).astype(int)
    # The rows lost to rounding go to the sources with the largest remainders.
    order = np.argsort(-(exact - shares), kind="stable")
    for position in range(int(total - shares.sum())):
        shares[order[position]] += 1
    return [int(share) for share in shares]


class MixedLengthSampler(Sampler[int]):
    """Indices of one epoch's rows.

    Each source is read in a sequence of permutations, so that over the epochs all its rows are seen
    equally often, whatever its share. The rows of an epoch are shuffled, cut into chunks, sorted by
    length within a chunk and cut into batches, whose order is shuffled.

    Args:
        lengths: number of tokens of each row.
        sources: index of each row's source.
        batch_size: rows that are grouped by length: those of a micro-batch over all processes.
        seed: of every permutation.
        temperature: of the mix, see :func:`source_shares`.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        sources: Sequence[int],
        *,
        batch_size: int,
        seed: int,
        temperature: float = 1.0,
    ) -> None:
        self._lengths = np.asarray(lengths)
        self._rows = [np.flatnonzero(np.asarray(sources) == source) for source in range(max(sources, default=0) + 1)]
        self._shares = source_shares([len(rows) for rows in self._rows], temperature=temperature)
        self._batch_size = batch_size
        self._seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration; the Trainer calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(self._shares)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order(self.epoch).tolist())

    def order(self, epoch: int) -> NDArray[np.intp]:
        """Row indices of ``epoch``, int (len(self),)."""
        shuffle = np.random.default_rng((self._seed, epoch, 0))
        rows = np.concatenate([self._draw(source, epoch) for source in range(len(self._rows))])
        shuffle.shuffle(rows)
        chunk = self._batch_size * self._batches_per_chunk()
        batches: list[NDArray[np.intp]] = []
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            part = part[np.argsort(self._lengths[part], kind="stable")]
            batches += [part[row : row + self._batch_size] for row in range(0, len(part), self._batch_size)]
        # The batch that is not full goes last; in any other place it would shift the bounds of all batches after it.
        last = [batches.pop()] if len(batches[-1]) < self._batch_size else []
        shuffle.shuffle(order := np.arange(len(batches)))
        return np.concatenate([*(batches[position] for position in order), *last])

    def _batches_per_chunk(self) -> int:
        return max(1, min(_MOST_BATCHES_PER_CHUNK, len(self) // self._batch_size // _LEAST_CHUNKS))

    def _draw(self, source: int, epoch: int) -> NDArray[np.intp]:
        """The rows of ``source`` in ``epoch``: the next stretch of an endless sequence of permutations."""
        rows, share = self._rows[source], self._shares[source]
        if not share:
            return rows[:0]
        first, last = epoch * share, (epoch + 1) * share
        passes = range(first // len(rows), -(-last // len(rows)))
        permutations = [
            rows[np.random.default_rng((self._seed, source, 1, number)).permutation(len(rows))] for number in passes
        ]
        start = first - passes.start * len(rows)
        return np.concatenate(permutations)[start : start + share]
