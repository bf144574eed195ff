"""session + tokenized texts -> what is made of each batch's outputs, several batches at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.inference.batching import DEFAULT_MAX_BATCH_TOKENS, plan_batches
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["run_batches"]

T = TypeVar("T")


def run_batches(
    session: Session,
    texts: Sequence[TokenizedText],
    outputs: Sequence[str],
    reduce: Callable[[Batch, list[NDArray[np.float32]]], T],
    *,
    pad_id: int,
) -> Iterator[tuple[NDArray[np.intp], T]]:
    """Run all texts, the longest first, as many batches at a time as there are cores.

    Args:
        session: of a graph.
        texts: N of them.
        outputs: names of the graph's outputs.
        reduce: a batch and its outputs, each (B, ...) -> what is kept of them.
        pad_id: token id that fills a batch's shorter rows.

    Yields:
        The indices of a batch's texts, and what ``reduce`` made of its outputs.
    """
    plan = plan_batches([len(text) for text in texts], max_batch_tokens=DEFAULT_MAX_BATCH_TOKENS)

    def run(indices: NDArray[np.intp]) -> T:
        batch = Batch.of([texts[index] for index in indices], pad_id=pad_id)
        return reduce(batch, session.run(batch, outputs))

    with ThreadPoolExecutor(allowed_cores()) as pool:
        yield from zip(plan, pool.map(run, plan), strict=True)
