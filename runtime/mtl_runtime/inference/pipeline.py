"""chunks of texts -> rows of each output, chunk by chunk: the next one is tokenized while these are computed."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.errors import InvalidTextError
from mtl_runtime.inference.executor import Job, Run, start
from mtl_runtime.inference.worker_pool import Workers
from mtl_runtime.text.text_chunks import Chunk
from mtl_runtime.text.tokenizer import TokenizedText, Tokenizer
from mtl_runtime.text.validation import Aggregate, LongText
from mtl_runtime.text.windows import aggregated, windows_of

__all__ = ["Computed", "Pipeline"]

# Chunks at the workers while the next one is tokenized.
_AT_WORK = 2

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Computed:
    """A chunk and what came out of it."""

    chunk: Chunk
    texts: Sequence[TokenizedText]
    rows: Sequence[Rows]  # of each output wanted, float32 (texts, width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The way of texts through tokenizer, batches and session."""

    tokenizer: Tokenizer
    run: Run
    workers: Workers
    token_budget: int
    most_texts: int | None  # in a batch; None: the budget alone limits it
    pad_id: int
    long_text: LongText
    aggregate: Mapping[str, Aggregate]  # by output; absent: mean

    def compute(
        self, chunks: Iterable[Chunk], widths: Mapping[str, int], *, stop: threading.Event | None = None
    ) -> Iterator[Computed]:
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
        begun = (self._begin(chunk, widths, stop) for chunk in chunks)
        at_work: deque[_Begun] = deque()
        failure: list[Exception] = []
        try:
            while (more := _taken(begun, failure)) is not None:
                at_work.append(more)
                if len(at_work) > _AT_WORK:
                    yield self._end(at_work.popleft(), names)
            while at_work:
                yield self._end(at_work.popleft(), names)
            if failure:
                raise failure[0]
        finally:
            for one in at_work:
                one.job.drop()

    def compute_one(self, chunk: Chunk, widths: Mapping[str, int]) -> Computed:
        """The same for one chunk that nothing comes after, as a lone text is: the shortest way there is."""
        return self._end(self._begin(chunk, widths, None), list(widths))

    def windows_rows(self, windows: Sequence[TokenizedText], widths: Mapping[str, int]) -> Sequence[Rows]:
        """Compute outputs for windows that are tokenized already: float32 (windows, width) of each output."""
        return self._start(windows, widths, None).rows()

    def texts_rows(self, rows: Rows, starts: NDArray[np.intp] | None, output: str) -> Rows:
        """The rows of an output for whole texts, from those of their windows: see :func:`longtext.aggregated`."""
        return aggregated(rows, starts, self.aggregate.get(output, "mean"))

    def check_lengths(self, chunk: Chunk, texts: Sequence[TokenizedText]) -> None:
        """Refuse texts longer than the encoder reads, where that is an error.

        Raises:
            InvalidTextError: there is one.
        """
        if self.long_text == "error":
            _refuse_long(chunk, texts, self.tokenizer.max_length)

    def _begin(self, chunk: Chunk, widths: Mapping[str, int], stop: threading.Event | None) -> "_Begun":
        texts = self.tokenizer.encode(chunk.texts)
        self.check_lengths(chunk, texts)
        windows, starts = windows_of(texts)
        return _Begun(chunk, texts, starts, self._start(windows, widths, stop))

    def _start(self, windows: Sequence[TokenizedText], widths: Mapping[str, int], stop: threading.Event | None) -> Job:
        return start(
            windows,
            widths,
            run=self.run,
            workers=self.workers,
            token_budget=self.token_budget,
            most_texts=self.most_texts,
            pad_id=self.pad_id,
            stop=stop,
        )

    def _end(self, begun: "_Begun", outputs: Sequence[str]) -> Computed:
        found = zip(outputs, begun.job.rows(), strict=True)
        return Computed(begun.chunk, begun.texts, [self.texts_rows(rows, begun.starts, name) for name, rows in found])


@dataclass(frozen=True, slots=True)
class _Begun:
    chunk: Chunk
    texts: Sequence[TokenizedText]
    starts: NDArray[np.intp] | None
    job: Job


def _taken(begun: Iterator[_Begun], failure: list[Exception]) -> _Begun | None:
    """The next one; what goes wrong with it has to wait until those before it are given out."""
    try:
        return next(begun, None)
    except Exception as error:  # noqa: BLE001 - raised when its turn comes
        failure.append(error)
        return None


def _refuse_long(chunk: Chunk, texts: Sequence[TokenizedText], max_length: int) -> None:
    for place, text in zip(chunk.places, texts, strict=True):
        if text.truncated:
            raise InvalidTextError(
                place,
                f"has more than the {max_length} tokens that the encoder reads; shorten it, or have long texts read "
                f"in windows or truncated (long_text=, --long-text)",
            )
