"""chunks of texts -> rows of each output, chunk by chunk: the next one is tokenized while these are computed."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.errors import InvalidTextError
from mtl_runtime.inference.executor import BatchJob, RunBatch, submit_batches
from mtl_runtime.inference.worker_pool import WorkerPool
from mtl_runtime.text.text_chunks import TextChunk
from mtl_runtime.text.tokenizer import TokenizedText, Tokenizer
from mtl_runtime.text.validation import Aggregate, LongText
from mtl_runtime.text.windows import aggregate_windows, flatten_windows

__all__ = ["ChunkOutput", "Pipeline"]

# Chunks at the workers while the next one is tokenized.
_MAX_CHUNKS_IN_FLIGHT = 2

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ChunkOutput:
    """A chunk and what came out of it."""

    chunk: TextChunk
    texts: Sequence[TokenizedText]
    rows: Sequence[Rows]  # of each output wanted, float32 (texts, width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The way of texts through tokenizer, batches and session."""

    tokenizer: Tokenizer
    run_batch: RunBatch
    workers: WorkerPool
    max_batch_tokens: int
    max_batch_size: int | None  # in a batch; None: the budget alone limits it
    pad_id: int
    long_text: LongText
    aggregate: Mapping[str, Aggregate]  # by output; absent: mean

    def run(
        self, chunks: Iterable[TextChunk], widths: Mapping[str, int], *, stop: threading.Event | None = None
    ) -> Iterator[ChunkOutput]:
        """Compute outputs for each chunk, in order.

        Args:
            chunks: taken a little ahead of what is given out.
            widths: name of each output wanted -> its width.
            stop: once it is set, Dropped is raised instead of further rows.

        Raises:
            InvalidTextError: a text is longer than the encoder reads, and that is an error here. Like all that
                ``chunks`` raises, it comes after the rows of the chunks before.
        """
        names = list(widths)
        begun = (self._submit_chunk(chunk, widths, stop) for chunk in chunks)
        at_work: deque[_InFlightChunk] = deque()
        failure: list[Exception] = []
        try:
            while (more := _next_or_record_error(begun, failure)) is not None:
                at_work.append(more)
                if len(at_work) > _MAX_CHUNKS_IN_FLIGHT:
                    yield self._collect(at_work.popleft(), names)
            while at_work:
                yield self._collect(at_work.popleft(), names)
            if failure:
                raise failure[0]
        finally:
            for one in at_work:
                one.job.drop()

    def run_one(self, chunk: TextChunk, widths: Mapping[str, int]) -> ChunkOutput:
        """The same for one chunk that nothing comes after, as a lone text is: the shortest way there is."""
        return self._collect(self._submit_chunk(chunk, widths, None), list(widths))

    def run_windows(self, windows: Sequence[TokenizedText], widths: Mapping[str, int]) -> Sequence[Rows]:
        """Compute outputs for windows that are tokenized already: float32 (windows, width) of each output."""
        return self._submit_windows(windows, widths, None).results()

    def aggregate_windows(self, rows: Rows, starts: NDArray[np.intp] | None, output: str) -> Rows:
        """The rows of an output for whole texts, from those of their windows: see :func:`longtext.aggregated`."""
        return aggregate_windows(rows, starts, self.aggregate.get(output, "mean"))

    def require_short_texts(self, chunk: TextChunk, texts: Sequence[TokenizedText]) -> None:
        """Refuse texts longer than the encoder reads, where that is an error.

        Raises:
            InvalidTextError: there is one.
        """
        if self.long_text == "error":
            _refuse_long(chunk, texts, self.tokenizer.max_length)

    def _submit_chunk(
        self, chunk: TextChunk, widths: Mapping[str, int], stop: threading.Event | None
    ) -> "_InFlightChunk":
        texts = self.tokenizer.encode(chunk.texts)
        self.require_short_texts(chunk, texts)
        windows, starts = flatten_windows(texts)
        return _InFlightChunk(chunk, texts, starts, self._submit_windows(windows, widths, stop))

    def _submit_windows(
        self, windows: Sequence[TokenizedText], widths: Mapping[str, int], stop: threading.Event | None
    ) -> BatchJob:
        return submit_batches(
            windows,
            widths,
            run=self.run_batch,
            workers=self.workers,
            max_batch_tokens=self.max_batch_tokens,
            max_batch_size=self.max_batch_size,
            pad_id=self.pad_id,
            stop=stop,
        )

    def _collect(self, begun: "_InFlightChunk", outputs: Sequence[str]) -> ChunkOutput:
        found = zip(outputs, begun.job.results(), strict=True)
        return ChunkOutput(
            begun.chunk, begun.texts, [self.aggregate_windows(rows, begun.starts, name) for name, rows in found]
        )


@dataclass(frozen=True, slots=True)
class _InFlightChunk:
    chunk: TextChunk
    texts: Sequence[TokenizedText]
    starts: NDArray[np.intp] | None
    job: BatchJob


def _next_or_record_error(begun: Iterator[_InFlightChunk], failure: list[Exception]) -> _InFlightChunk | None:
    """The next one; what goes wrong with it has to wait until those before it are given out."""
    try:
        return next(begun, None)
    except Exception as error:  # noqa: BLE001 - raised when its turn comes
        failure.append(error)
        return None


def _refuse_long(chunk: TextChunk, texts: Sequence[TokenizedText], max_length: int) -> None:
    for place, text in zip(chunk.places, texts, strict=True):
        if text.truncated:
            raise InvalidTextError(
                place,
                f"has more than the {max_length} tokens that the encoder reads; shorten it, or have long texts read "
                f"in windows or truncated (long_text=, --long-text)",
            )
