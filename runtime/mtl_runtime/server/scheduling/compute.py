"""Job -> answers of each of its requests; an error reaches the request that caused it alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, TaskSpec, logits_output
from mtl_runtime.errors import InvalidTextError, NonFiniteError
from mtl_runtime.inference.decode import Prediction, assemble_predictions, check_finite
from mtl_runtime.inference.pipeline import ChunkOutput
from mtl_runtime.server.scheduling.fair_queue import Job, Slice
from mtl_runtime.text.text_chunks import TextChunk
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["Answers", "Failure", "compute_job"]

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answers:
    """Predictions of a slice's N texts, and their embeddings, float32 (N, hidden_size), if its request wants them."""

    slice: Slice
    predictions: Sequence[Prediction]
    embeddings: Rows | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a slice has no answers; the error's index, if it has one, counts the texts of the request."""

    slice: Slice
    error: Exception


def compute_job(job: Job) -> list[Answers | Failure]:
    """Compute all texts together; if that fails, each request's alone, so that only the culprit fails.

    Texts and token ids are computed apart, since only texts are tokenized and may be equal.
    """
    kinds = [[part for part in job.slices if part.ticket.is_tokenized is kind] for kind in (False, True)]
    if all(kinds):
        return [answer for parts in kinds for answer in compute_job(Job(job.model, tuple(parts), 0))]
    try:
        return list(_compute(job))
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to a request
        if len(job.slices) == 1:
            return [Failure(job.slices[0], _locate(error, job.slices[0].start))]
    return [answer for part in job.slices for answer in compute_job(Job(job.model, (part,), 0))]


def _locate(error: Exception, start: int) -> Exception:
    """An error about a text of a slice -> the same about that text of the request."""
    if isinstance(error, InvalidTextError | NonFiniteError):
        return error.at(start + error.index)
    return error


def _compute(job: Job) -> Iterator[Answers]:
    tasks = _asked_tasks(job)
    widths = {logits_output(task.name): task.width for task in tasks}
    if embed := any(part.ticket.embed for part in job.slices):
        widths[EMBEDDING_OUTPUT] = job.model.classifier.encoder.hidden_size
    output, indices = _run(job, widths)
    try:
        predictions = assemble_predictions(tasks, output.rows[: len(tasks)], output.texts)
        if embed:
            check_finite(output.rows[-1], EMBEDDING_OUTPUT)
    except NonFiniteError as error:
        raise output.chunk.locate_error(error) from None
    place = 0
    for part in job.slices:
        rows = indices[place : place + part.stop - part.start]
        place += len(rows)
        own = _only([predictions[row] for row in rows], part.ticket.tasks, tasks)
        yield Answers(part, own, output.rows[-1][rows] if part.ticket.embed else None)


def _run(job: Job, widths: Mapping[str, int]) -> tuple[ChunkOutput, Sequence[int]]:
    """The outputs of distinct texts, and for each text of the job its row in them."""
    given, pipeline = job.texts(), job.model.pipeline
    if tokenized := [text for text in given if isinstance(text, TokenizedText)]:
        rows = range(len(tokenized))
        return ChunkOutput(TextChunk((), rows), tokenized, pipeline.run_windows(tokenized, widths)), rows
    chunk, indices = TextChunk.distinct([text for text in given if isinstance(text, str)])
    output = pipeline.run_one(chunk, widths)
    job.model.token_estimate.learn(chunk.texts, [len(text) for text in output.texts])
    return output, indices


def _asked_tasks(job: Job) -> list[TaskSpec]:
    """Tasks that some request of the job asks for, in the order of the model's."""
    asked = {task.name for part in job.slices for task in part.ticket.tasks}
    return [task for task in job.model.classifier.specs if task.name in asked]


def _only(
    predictions: Sequence[Prediction], asked: Sequence[TaskSpec], computed: Sequence[TaskSpec]
) -> Sequence[Prediction]:
    """The predictions with the answers of the tasks asked for, in their order."""
    if [task.name for task in asked] == [task.name for task in computed]:
        return predictions
    return [replace(one, answers={task.name: one.answers[task.name] for task in asked}) for one in predictions]
