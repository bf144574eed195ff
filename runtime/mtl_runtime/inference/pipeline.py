"""chunks of texts -> rows of each output, chunk by chunk; one chunk is tokenized while others are computed."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import logits_output
from mtl_runtime.errors import InvalidTextError
from mtl_runtime.inference.executor import BatchJob, RunBatch, submit_batches
from mtl_runtime.inference.settings import InferenceSettings
from mtl_runtime.inference.worker_pool import WorkerPool
from mtl_runtime.text.text_chunks import TextChunk
from mtl_runtime.text.tokenizer import TokenizedText, Tokenizer
from mtl_runtime.text.validation import Aggregate
from mtl_runtime.text.windows import aggregate_windows, flatten_windows

__all__ = ["ChunkOutput", "Pipeline"]

# Chunks at the workers while the next one is tokenized.
_MAX_CHUNKS_IN_FLIGHT = 2

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ChunkOutput:
    """A chunk and what the graph computed for it."""

    chunk: TextChunk
    texts: Sequence[TokenizedText]
    rows: Sequence[Rows]  # of each output wanted, float32 (texts, width)


class Pipeline:
    """Texts through tokenizer, batches and session.

    Args:
        tokenizer: cuts texts into tokens, and long ones into windows.
        run_batch: computes one batch.
        settings: limits of a batch, and how long texts are treated.
        pool: workers that run batches in parallel; None: batches run one after another in the caller's thread.
    """

    __slots__ = ("_aggregate", "_pool", "_run_batch", "_settings", "tokenizer")

    def __init__(
        self, tokenizer: Tokenizer, run_batch: RunBatch, settings: InferenceSettings, pool: WorkerPool | None
    ) -> None:
        self.tokenizer = tokenizer
        self._run_batch = run_batch
        self._settings = settings
        self._pool = pool
        self._aggregate: Mapping[str, Aggregate] = {
            logits_output(task): how for task, how in settings.inputs.aggregate.items()
        }

    def run(
        self, chunks: Iterable[TextChunk], widths: Mapping[str, int], *, stop: threading.Event | None = None
    ) -> Iterator[ChunkOutput]:
        """Compute outputs for each chunk, in order.

        Args:
            chunks: taken a little ahead of what is yielded.
            widths: name of each output wanted -> its width.
            stop: once it is set, Cancelled is raised instead of further rows.

        Raises:
            InvalidTextError: the tokenizer fails at a text, or it is longer than the encoder reads, and that is an
                error here. Like all that ``chunks`` raises, it comes after the rows of the chunks before.
        """
        names = list(widths)
        submitted = (self._submit_chunk(chunk, widths, stop) for chunk in chunks)
        in_flight: deque[_InFlightChunk] = deque()
        failure: list[Exception] = []
        try:
            while (chunk := _next_or_record_error(submitted, failure)) is not None:
                in_flight.append(chunk)
                if len(in_flight) > _MAX_CHUNKS_IN_FLIGHT:
                    yield self._collect(in_flight.popleft(), names)
            while in_flight:
                yield self._collect(in_flight.popleft(), names)
            if failure:
                raise failure[0]
        finally:
            for chunk in in_flight:
                chunk.job.drop()

    def run_one(self, chunk: TextChunk, widths: Mapping[str, int]) -> ChunkOutput:
        """The same for one chunk with nothing after it, as a lone text is: the shortest path."""
        return self._collect(self._submit_chunk(chunk, widths, None), list(widths))

    def run_windows(
        self, windows: Sequence[TokenizedText], widths: Mapping[str, int], *, stop: threading.Event | None = None
    ) -> Sequence[Rows]:
        """Compute outputs for windows that are tokenized already: float32 (windows, width) of each output."""
        return self._submit_windows(windows, widths, stop).results()

    def aggregate_windows(self, rows: Rows, starts: NDArray[np.intp] | None, output: str) -> Rows:
        """Rows of an output for windows -> rows for whole texts; see :func:`windows.aggregate_windows`."""
        return aggregate_windows(rows, starts, self._aggregate.get(output, "mean"))

    def require_short_texts(self, chunk: TextChunk, texts: Sequence[TokenizedText]) -> None:
        """Refuse texts longer than the encoder reads, where that is an error.

        Raises:
            InvalidTextError: there is one.
        """
        if self._settings.inputs.long_text != "error":
            return
        for place, text in zip(chunk.places, texts, strict=True):
            if text.truncated:
                raise InvalidTextError(
                    place,
                    f"has more than the {self.tokenizer.max_length} tokens that the encoder reads; shorten it, or have "
                    f"long texts read in windows or truncated (long_text=, --long-text)",
                )

    def _submit_chunk(
        self, chunk: TextChunk, widths: Mapping[str, int], stop: threading.Event | None
    ) -> "_InFlightChunk":
        try:
            texts = self.tokenizer.encode(chunk.texts)
        except InvalidTextError as error:
            raise chunk.locate_error(error) from error.__cause__
        self.require_short_texts(chunk, texts)
        windows, starts = flatten_windows(texts)
        return _InFlightChunk(chunk, texts, starts, self._submit_windows(windows, widths, stop))

    def _submit_windows(
        self, windows: Sequence[TokenizedText], widths: Mapping[str, int], stop: threading.Event | None
    ) -> BatchJob:
        return submit_batches(
            windows, widths, run_batch=self._run_batch, pool=self._pool, settings=self._settings, stop=stop
        )

    def _collect(self, submitted: "_InFlightChunk", outputs: Sequence[str]) -> ChunkOutput:
        rows = [
            self.aggregate_windows(window_rows, submitted.starts, name)
            for name, window_rows in zip(outputs, submitted.job.results(), strict=True)
        ]
        return ChunkOutput(submitted.chunk, submitted.texts, rows)


@dataclass(frozen=True, slots=True)
class _InFlightChunk:
    chunk: TextChunk
    texts: Sequence[TokenizedText]
    starts: NDArray[np.intp] | None
    job: BatchJob


def _next_or_record_error(submitted: Iterator[_InFlightChunk], failure: list[Exception]) -> _InFlightChunk | None:
    """The next chunk; an error while making it has to wait until the chunks before it are yielded."""
    try:
        return next(submitted, None)
    except Exception as error:  # noqa: BLE001 - raised when its turn comes
        failure.append(error)
        return None
