"""texts -> predictions: the library's front door."""

import dataclasses
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, EncoderSpec, TaskSpec, logits_output
from mtl_runtime.errors import InvalidTextError, NonFiniteError, UnknownTaskError
from mtl_runtime.inference.decode import Prediction, assemble_predictions, check_finite
from mtl_runtime.inference.executor import RunBatch
from mtl_runtime.inference.explain import Explanation, explain
from mtl_runtime.inference.pipeline import ChunkOutput, Pipeline
from mtl_runtime.inference.settings import ClassifierInfo, InferenceSettings, ModelSource
from mtl_runtime.inference.unit_length import scale_to_unit_length
from mtl_runtime.inference.worker_pool import WorkerPool
from mtl_runtime.text.text_chunks import TextChunk, chunk_texts
from mtl_runtime.text.tokenizer import TokenizedText, Tokenizer
from mtl_runtime.text.validation import validate_texts
from mtl_runtime.text.word_spans import Granularity

__all__ = ["CHUNK_TEXTS", "Classifier"]

# Texts that are sorted by length together: enough that batches hold little padding.
CHUNK_TEXTS = 1024

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """Answers every task of a bundle; made by :func:`mtl_runtime.load`, shared by any number of threads.

    A forked process opens a session of its own when it first uses the classifier; a pickled one is opened again
    from its folder.
    """

    specs: tuple[TaskSpec, ...]  # of the tasks, in the order of the graph's outputs
    encoder: EncoderSpec
    tokenizer: Tokenizer
    run_batch: RunBatch  # a session's in production, a function in tests
    settings: InferenceSettings
    source: ModelSource
    _factory: Callable[[ModelSource, InferenceSettings], "Classifier"] | None = None  # what unpickling calls
    # Shared with copies that have as many workers, so that together they run no more batches at once.
    _pool: WorkerPool = field(default_factory=lambda: WorkerPool(1), repr=False)
    # Derived from the above, once and not for each text.
    info: ClassifierInfo = field(init=False)
    _pipeline: Pipeline = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self._pool.count != self.settings.execution.workers:
            object.__setattr__(self, "_pool", WorkerPool(self.settings.execution.workers))
        object.__setattr__(self, "info", ClassifierInfo.of(self.source, self.settings))
        object.__setattr__(self, "_pipeline", Pipeline(self.tokenizer, self.run_batch, self.settings, self._pool))

    def with_settings(self, *, workers: int | None = None, max_batch_tokens: int | None = None) -> Self:
        """The same session with other limits: cheap, since nothing is loaded again.

        With as many workers as this one, both together run no more batches at the same time; with another number, each
        has a limit of its own. Threads and streams of the session stay as they are.

        Args:
            workers: batches at the same time; default: as it is.
            max_batch_tokens: padded tokens of a batch; default: as it is.

        Raises:
            RecordError: one of them is less than 1.
        """
        changes = {"workers": workers, "max_batch_tokens": max_batch_tokens}
        asked = {name: value for name, value in changes.items() if value is not None}
        if not asked:
            return self
        execution = dataclasses.replace(self.settings.execution, **asked)
        words = ", ".join(f"{name} set to {value}" for name, value in asked.items())
        return dataclasses.replace(
            self,
            settings=dataclasses.replace(self.settings, execution=execution),
            source=dataclasses.replace(self.source, reason=f"{words}; without: {self.source.reason}"),
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the bundle's tasks."""
        return tuple(task.name for task in self.specs)

    @overload
    def __call__(  # type: ignore[overload-overlap]  # str is an Iterable[str], and the first that fits is taken
        self, texts: str, *, tasks: Iterable[str] | None = None
    ) -> Prediction: ...
    @overload
    def __call__(self, texts: Iterable[str], *, tasks: Iterable[str] | None = None) -> list[Prediction]: ...
    def __call__(
        self, texts: str | Iterable[str], *, tasks: Iterable[str] | None = None
    ) -> Prediction | list[Prediction]:
        """Answer ``tasks`` (default: all) for each text, in the texts' order.

        A bare str is one text and gives one prediction. A text that occurs several times is computed once. For
        more texts than memory holds there is :meth:`stream`.

        Raises:
            InvalidTextError: a text is no str, holds a lone surrogate, is too long, or makes the tokenizer fail; the
                error has the index.
            UnknownTaskError: the bundle has no such task.
            NonFiniteError: the model answered NaN or infinity; the error has the index.
        """
        return self._predict(texts, tasks)

    @overload
    async def acall(  # type: ignore[overload-overlap]
        self, texts: str, *, tasks: Iterable[str] | None = None
    ) -> Prediction: ...
    @overload
    async def acall(self, texts: Iterable[str], *, tasks: Iterable[str] | None = None) -> list[Prediction]: ...
    async def acall(
        self, texts: str | Iterable[str], *, tasks: Iterable[str] | None = None
    ) -> Prediction | list[Prediction]:
        """The same without blocking the event loop.

        If the awaiting task is cancelled, batches that have not started are dropped.

        Raises:
            InvalidTextError, UnknownTaskError, NonFiniteError: as :meth:`__call__`.
        """
        own = texts if isinstance(texts, str) else list(texts)
        return await self._pool.run_async(lambda stop: self._predict(own, tasks, stop))

    def stream(
        self, texts: Iterable[str], *, tasks: Iterable[str] | None = None, chunk_size: int = CHUNK_TEXTS
    ) -> Iterator[Prediction]:
        """Predictions of any number of texts, in their order, while the texts still come in.

        Args:
            texts: taken in chunks, at most three of them ahead of the predictions.
            tasks: as in :meth:`__call__`.
            chunk_size: texts that are sorted by length and cut into batches together, fewer where they have a million
                characters. The batches depend on nothing else, so the same chunks give the same bits.

        Raises:
            UnknownTaskError: as :meth:`__call__`.
            InvalidTextError, NonFiniteError: as :meth:`__call__`, while iterating.
            TypeError, ValueError: ``texts`` is one str, or ``chunk_size`` less than 1.
        """
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size}; it must be at least 1")
        chunks = self.stream_chunks(chunk_texts(_require_several(texts), chunk_size), tasks=tasks)
        return (prediction for chunk in chunks for prediction in chunk)

    def stream_chunks(
        self, chunks: Iterable[Sequence[str]], *, tasks: Iterable[str] | None = None
    ) -> Iterator[list[Prediction]]:
        """:meth:`stream` for texts that are cut into chunks already: the predictions of each chunk.

        Raises:
            UnknownTaskError, InvalidTextError, NonFiniteError: as :meth:`stream`; an index counts all texts.
        """
        return self._predict_stream(chunks, self.task_specs(tasks))

    def embed(self, texts: str | Iterable[str], *, normalize: bool = False) -> Rows:
        """Sentence embeddings, float32 (N, hidden_size); for a bare str (hidden_size,).

        Args:
            texts: as in :meth:`__call__`.
            normalize: divide each embedding by its Euclidean length.

        Raises:
            InvalidTextError, NonFiniteError: as in :meth:`__call__`.
        """
        chunk, indices = TextChunk.distinct(self._validate([texts] if isinstance(texts, str) else texts))
        width = {EMBEDDING_OUTPUT: self.encoder.hidden_size}
        embeddings = [np.empty((0, self.encoder.hidden_size), dtype=np.float32)]
        for output in self._pipeline.run(chunk.cut(CHUNK_TEXTS), width):
            try:
                check_finite(output.rows[0], EMBEDDING_OUTPUT)
            except NonFiniteError as error:
                raise output.chunk.locate_error(error) from None
            embeddings.append(output.rows[0])
        rows = np.concatenate(embeddings)[indices]
        if normalize:
            rows = scale_to_unit_length(rows)
        return rows[0] if isinstance(texts, str) else rows

    def logits(self, texts: Iterable[str], *, tasks: Iterable[str] | None = None) -> dict[str, Rows]:
        """Raw logits by task, float32 (N, width), not checked for being finite: what gates compare."""
        specs = self.task_specs(tasks)
        checked = self._validate(_require_several(texts))
        by_chunk: list[Sequence[Rows]] = [[np.empty((0, task.width), dtype=np.float32) for task in specs]]
        chunks = TextChunk(checked, range(len(checked))).cut(CHUNK_TEXTS)
        by_chunk += [output.rows for output in self._pipeline.run(chunks, self._widths(specs))]
        merged = map(np.concatenate, zip(*by_chunk, strict=True))
        return dict(zip((task.name for task in specs), merged, strict=True))

    def explain(self, text: str, *, task: str, label: str | None = None, by: Granularity = "word") -> Explanation:
        """How much each word of ``text`` adds to the answer of ``task``.

        See :func:`mtl_runtime.inference.explain.explain`.

        Args:
            text: one text. It costs as much as answering as many texts of its length as it has words.
            task: the task whose answer is explained.
            label: explain its probability; default: the label answered, for a multi_label task the most probable.
            by: give each ``word``, or each ``token``.

        Raises:
            UnknownLabelError: the task has no such label.
            InvalidTextError, UnknownTaskError, NonFiniteError: as :meth:`__call__`.
        """
        (checked,) = self._validate([text])
        labels = {} if label is None else {task: label}
        return explain(self._pipeline, checked, self.task_specs([task]), labels=labels, by=by)[0]

    def explain_tasks(
        self, text: str, *, tasks: Iterable[str] | None = None, by: Granularity = "word"
    ) -> dict[str, Explanation]:
        """The same for ``tasks`` (default: all), by task, all of them for the cost of one."""
        (checked,) = self._validate([text])
        explanations = explain(self._pipeline, checked, self.task_specs(tasks), labels={}, by=by)
        return {explanation.task: explanation for explanation in explanations}

    def task_specs(self, tasks: Iterable[str] | None = None) -> Sequence[TaskSpec]:
        """Specs of ``tasks`` (default: all), each once, in that order.

        Raises:
            UnknownTaskError: the bundle has no such task, or ``tasks`` is empty.
        """
        if tasks is None:
            return self.specs
        by_name = {task.name: task for task in self.specs}
        names = list(dict.fromkeys([tasks] if isinstance(tasks, str) else tasks))
        for name in names or [""]:
            if name not in by_name:
                raise UnknownTaskError(name, self.tasks)
        return [by_name[name] for name in names]

    def tokenize(self, texts: Iterable[str]) -> list[TokenizedText]:
        """Token ids as the graph gets them (before padding)."""
        return self.tokenizer.encode(self._validate(_require_several(texts)))

    def __reduce__(self) -> tuple[Any, ...]:
        if self._factory is None:
            raise TypeError("this classifier was not loaded from a bundle, so another process cannot open it")
        return self._factory, (self.source, self.settings)

    def _predict(
        self, texts: str | Iterable[str], tasks: Iterable[str] | None, stop: threading.Event | None = None
    ) -> Prediction | list[Prediction]:
        specs = self.task_specs(tasks)
        if isinstance(texts, str):
            alone = TextChunk(self._validate([texts]), (0,))
            return _decode_chunk(self._pipeline.run_one(alone, self._widths(specs)), specs)[0]
        chunk, indices = TextChunk.distinct(self._validate(texts))
        distinct: list[Prediction] = []
        for chunk_predictions in self._predict_chunks(chunk.cut(CHUNK_TEXTS), specs, stop):
            distinct += chunk_predictions
        return [distinct[index] for index in indices]

    def _predict_stream(self, chunks: Iterable[Sequence[str]], specs: Sequence[TaskSpec]) -> Iterator[list[Prediction]]:
        waiting: deque[Sequence[int]] = deque()

        def distinct() -> Iterator[TextChunk]:
            first = 0
            for texts in chunks:
                chunk, indices = TextChunk.distinct(self._validate(_require_several(texts), first), first=first)
                waiting.append(indices)
                first += len(texts)
                yield chunk

        for chunk_predictions in self._predict_chunks(distinct(), specs):
            yield [chunk_predictions[index] for index in waiting.popleft()]

    def _predict_chunks(
        self, chunks: Iterable[TextChunk], specs: Sequence[TaskSpec], stop: threading.Event | None = None
    ) -> Iterator[list[Prediction]]:
        for output in self._pipeline.run(chunks, self._widths(specs), stop=stop):
            yield _decode_chunk(output, specs)

    def _widths(self, specs: Sequence[TaskSpec]) -> Mapping[str, int]:
        return {logits_output(task.name): task.width for task in specs}

    def _validate(self, texts: Iterable[str], first: int = 0) -> list[str]:
        items = list(
            texts
        )  # not in the block: an InvalidTextError of the caller's own iterator is not about these texts
        try:
            return validate_texts(items, max_text_bytes=self.settings.inputs.max_text_bytes)
        except InvalidTextError as error:
            raise error.at(first + error.index) from error.__cause__


def _require_several(texts: Iterable[str]) -> Iterable[str]:
    """A str is an iterable of its characters, which nobody means."""
    if isinstance(texts, str):
        raise TypeError("expected several texts, found one str; put it into a list")
    return texts


def _decode_chunk(output: ChunkOutput, specs: Sequence[TaskSpec]) -> list[Prediction]:
    try:
        return assemble_predictions(specs, output.rows, output.texts)
    except NonFiniteError as error:
        raise output.chunk.locate_error(error) from None
