"""tokenized texts -> rows of each output in the texts' order, whatever batches and threads computed them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.inference.batching import plan_batches
from mtl_runtime.inference.worker_pool import WorkerPool
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["BatchJob", "Cancelled", "RunBatch", "submit_batches"]

Rows = NDArray[np.float32]
RunBatch = Callable[[Batch, Sequence[str]], list[Rows]]
# A local function's annotations are evaluated at each definition; a subscription of NDArray takes as long as a decode.
_Texts = Sequence[TokenizedText]
_Indices = NDArray[np.intp]


class Cancelled(Exception):  # noqa: N818 - no error, and nobody is left to catch it
    """The caller has gone."""


class BatchJob:
    """Batches on their way through the workers."""

    def __init__(self, results: Sequence[Rows], workers: WorkerPool) -> None:
        self._results, self._workers = results, workers
        self._pieces: list[tuple[Future[None], Callable[[], None]]] = []

    def add(self, work: Callable[[], None]) -> None:
        """Hand a batch to the workers, or do it here where the interpreter is about to end and starts no thread."""
        try:
            future = self._workers.submit(work)
        except RuntimeError:
            self._workers.run_here(work)
        else:
            self._pieces.append((future, work))

    def results(self) -> Sequence[Rows]:
        """Wait for all batches; the first failure is raised, and what has not begun is dropped.

        Batches that no worker has begun are done in this thread, which thus never waits behind another caller's.
        """
        try:
            for future, work in self._pieces:
                if future.cancel():
                    self._workers.run_here(work)
                else:
                    future.result()
        finally:
            self.drop()
        return self._results

    def drop(self) -> None:
        """Let go of what has not begun."""
        for future, _ in self._pieces:
            future.cancel()


def submit_batches(
    texts: Sequence[TokenizedText],
    widths: Mapping[str, int],
    *,
    run: RunBatch,
    workers: WorkerPool,
    max_batch_tokens: int,
    max_batch_size: int | None,
    pad_id: int,
    stop: threading.Event | None = None,
) -> BatchJob:
    """Begin to compute some outputs for ``texts``; a lone batch is computed at once, in this thread.

    Args:
        texts: N of them.
        widths: name of each output wanted -> its width. ``BatchJob.rows()`` gives a float32 (N, width) for each.
        run: computes one batch.
        workers: do so in parallel.
        max_batch_tokens: padded tokens of a batch.
        max_batch_size: in a batch.
        pad_id: token id that fills a batch's shorter rows.
        stop: once it is set, batches that have not begun raise Cancelled.
    """
    names = list(widths)

    def compute(some: _Texts) -> Sequence[Rows]:
        if stop is not None and stop.is_set():
            raise Cancelled
        return run(Batch.of(some, pad_id=pad_id), names)

    if len(texts) == 1:
        return BatchJob(workers.run_here(partial(compute, texts)), workers)
    results = [np.empty((len(texts), width), dtype=np.float32) for width in widths.values()]

    def fill(indices: _Indices) -> None:
        for result, rows in zip(results, compute([texts[index] for index in indices]), strict=True):
            result[indices] = rows

    plan = plan_batches([len(text) for text in texts], max_batch_tokens=max_batch_tokens, max_batch_size=max_batch_size)
    job = BatchJob(results, workers)
    if len(plan) == 1:
        workers.run_here(partial(fill, plan[0]))
    else:
        for indices in plan:
            job.add(partial(fill, indices))
    return job
