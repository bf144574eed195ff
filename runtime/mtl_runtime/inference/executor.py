"""tokenized texts -> rows of each output in the texts' order, whichever batches and threads computed them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.errors import ComputationError
from mtl_runtime.inference.batching import plan_batches
from mtl_runtime.inference.settings import InferenceSettings
from mtl_runtime.inference.worker_pool import WorkerPool
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["BatchJob", "Cancelled", "RunBatch", "submit_batches"]

Rows = NDArray[np.float32]
RunBatch = Callable[[Batch, Sequence[str]], list[Rows]]
# A local function's annotations are evaluated at each definition; subscribing NDArray takes as long as a decode.
_Texts = Sequence[TokenizedText]
_Indices = NDArray[np.intp]


class Cancelled(Exception):  # noqa: N818 - no error, and nobody is left to catch it
    """The caller has gone."""


class BatchJob:
    """Batches of one call, on their way through the workers."""

    def __init__(self, outputs: Sequence[Rows], pool: WorkerPool | None) -> None:
        self._outputs, self._pool = outputs, pool
        self._pending: list[tuple[Future[None], Callable[[], None]]] = []

    def add(self, work: Callable[[], None]) -> None:
        """Hand a batch to the workers, or run it here if the interpreter is shutting down and starts no thread."""
        if self._pool is None:
            work()
            return
        try:
            future = self._pool.submit(work)
        except RuntimeError:
            self._pool.run_here(work)
        else:
            self._pending.append((future, work))

    def results(self) -> Sequence[Rows]:
        """Wait for all batches; the first failure is raised, and what has not started is dropped.

        Batches that no worker has started run in this thread, which thus never waits behind another caller's.
        """
        try:
            for future, work in self._pending:
                if future.cancel() and self._pool is not None:
                    self._pool.run_here(work)
                else:
                    future.result()
        finally:
            self.drop()
        return self._outputs

    def drop(self) -> None:
        """Cancel every batch that has not started."""
        for future, _ in self._pending:
            future.cancel()


def submit_batches(
    texts: Sequence[TokenizedText],
    widths: Mapping[str, int],
    *,
    run_batch: RunBatch,
    pool: WorkerPool | None,
    settings: InferenceSettings,
    stop: threading.Event | None = None,
) -> BatchJob:
    """Start to compute some outputs for ``texts``; a lone batch is computed at once, in this thread.

    Args:
        texts: N of them.
        widths: name of each output wanted -> its width. ``BatchJob.results()`` gives a float32 (N, width) for each.
        run_batch: computes one batch.
        pool: workers that do so in parallel; None: one batch after another, in this thread.
        settings: limits of a batch, and what fills it up.
        stop: once it is set, batches that have not started raise Cancelled.
    """
    names = list(widths)

    def compute(batch_texts: _Texts) -> Sequence[Rows]:
        if stop is not None and stop.is_set():
            raise Cancelled
        rows = run_batch(Batch.of(batch_texts, pad_id=settings.pad_id), names)
        _require_shapes(rows, len(batch_texts), widths)
        return rows

    run_here: Callable[[Callable[[], Any]], Any] = pool.run_here if pool is not None else _call
    if len(texts) == 1:
        return BatchJob(run_here(partial(compute, texts)), pool)
    outputs = [np.empty((len(texts), width), dtype=np.float32) for width in widths.values()]

    def fill(indices: _Indices) -> None:
        for output, rows in zip(outputs, compute([texts[index] for index in indices]), strict=True):
            output[indices] = rows

    plan = plan_batches(
        [len(text) for text in texts],
        max_batch_tokens=settings.execution.max_batch_tokens,
        max_batch_size=settings.max_batch_size,
        batch_overhead=settings.batch_overhead,
    )
    job = BatchJob(outputs, pool)
    if len(plan) == 1:
        run_here(partial(fill, plan[0]))
    else:
        for indices in plan:
            job.add(partial(fill, indices))
    return job


def _call(work: Callable[[], Any]) -> Any:
    return work()


def _require_shapes(rows: Sequence[Rows], texts: int, widths: Mapping[str, int]) -> None:
    """Refuse rows that numpy would stretch to the shape that was asked for.

    Raises:
        ComputationError: an output has another shape than (texts, width).
    """
    for (name, width), values in zip(widths.items(), rows, strict=True):
        if values.shape != (texts, width):
            raise ComputationError(
                f"the graph gave {name} the shape {values.shape} in place of {(texts, width)}; the bundle is not what "
                f"`mtl export` makes: export it again"
            )
