"""requests -> results, computed together; an error reaches the request that caused it alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, TaskSpec, logits_output
from mtl_runtime.errors import NonFiniteError
from mtl_runtime.inference.classifier import CHUNK_TEXTS
from mtl_runtime.inference.decode import Prediction, assemble_predictions, check_finite
from mtl_runtime.inference.pipeline import ChunkOutput, Pipeline
from mtl_runtime.text.text_chunks import TextChunk
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["Request", "Result", "answer_requests"]

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Request:
    """Texts of one caller, and what is asked about them."""

    texts: Sequence[str] | Sequence[TokenizedText]  # at least one; valid; all of one kind
    tasks: Sequence[TaskSpec]  # that each prediction answers; may be none
    embed: bool  # compute embeddings too


@dataclass(frozen=True, slots=True)
class Result:
    """Answers to the N texts of a request."""

    predictions: Sequence[Prediction]
    embeddings: Rows | None  # (N, hidden_size), if they were asked for


def answer_requests(pipeline: Pipeline, requests: Sequence[Request], *, hidden_size: int) -> list[Result | Exception]:
    """Compute all texts together; if that fails, each request's alone, so that only the culprit fails.

    Texts and token ids are computed apart, since only texts are tokenized and may be equal.

    Args:
        pipeline: of the model that all requests ask.
        requests: any number.
        hidden_size: width of its embeddings.

    Returns:
        For each request its result, or why it has none. An error's index, if it has one, counts the request's texts.
    """
    outcomes: dict[int, Result | Exception] = {}
    for kind in (str, TokenizedText):
        places = [place for place, request in enumerate(requests) if isinstance(request.texts[0], kind)]
        answered = _answer_one_kind(pipeline, [requests[place] for place in places], hidden_size)
        outcomes |= zip(places, answered, strict=True)
    return [outcomes[place] for place in range(len(requests))]


def _answer_one_kind(pipeline: Pipeline, requests: Sequence[Request], hidden_size: int) -> Sequence[Result | Exception]:
    if not requests:
        return []
    try:
        return _answer_together(pipeline, requests, hidden_size)
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to a request
        if len(requests) == 1:
            return [error]
    return [outcome for request in requests for outcome in _answer_one_kind(pipeline, [request], hidden_size)]


def _answer_together(pipeline: Pipeline, requests: Sequence[Request], hidden_size: int) -> list[Result]:
    tasks = list({task.name: task for request in requests for task in request.tasks}.values())
    widths = {logits_output(task.name): task.width for task in tasks}
    if embed := any(request.embed for request in requests):
        widths[EMBEDDING_OUTPUT] = hidden_size
    output, indices = _run(pipeline, [text for request in requests for text in request.texts], widths)
    try:
        predictions = assemble_predictions(tasks, output.rows[: len(tasks)], output.texts)
        if embed:
            check_finite(output.rows[-1], EMBEDDING_OUTPUT)
    except NonFiniteError as error:
        raise output.chunk.locate_error(error) from None
    results, place = [], 0
    for request in requests:
        rows = indices[place : place + len(request.texts)]
        place += len(rows)
        own = _only([predictions[row] for row in rows], request.tasks, tasks)
        results.append(Result(own, output.rows[-1][rows] if request.embed else None))
    return results


def _run(
    pipeline: Pipeline, given: Sequence[str | TokenizedText], widths: Mapping[str, int]
) -> tuple[ChunkOutput, Sequence[int]]:
    """The outputs of distinct texts, and for each text its row in them."""
    if tokenized := [text for text in given if isinstance(text, TokenizedText)]:
        rows = range(len(tokenized))
        return ChunkOutput(TextChunk((), rows), tokenized, pipeline.run_windows(tokenized, widths)), rows
    chunk, indices = TextChunk.distinct([text for text in given if isinstance(text, str)])
    parts = list(chunk.cut(CHUNK_TEXTS))
    if len(parts) <= 1:
        return pipeline.run_one(chunk, widths), indices
    return _merge(chunk, list(pipeline.run(parts, widths))), indices


def _merge(chunk: TextChunk, outputs: Sequence[ChunkOutput]) -> ChunkOutput:
    """The outputs of all parts of a chunk -> that of the whole chunk."""
    texts = [text for output in outputs for text in output.texts]
    rows = [np.concatenate(parts) for parts in zip(*(output.rows for output in outputs), strict=True)]
    return ChunkOutput(chunk, texts, rows)


def _only(
    predictions: Sequence[Prediction], asked: Sequence[TaskSpec], computed: Sequence[TaskSpec]
) -> Sequence[Prediction]:
    """The predictions with the answers of the tasks asked for, in their order."""
    if [task.name for task in asked] == [task.name for task in computed]:
        return predictions
    return [replace(one, answers={task.name: one.answers[task.name] for task in asked}) for one in predictions]
