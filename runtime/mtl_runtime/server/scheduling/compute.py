"""Job -> answers of each of its requests; an error reaches the request that caused it alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.errors import InvalidTextError, NonFiniteError
from mtl_runtime.inference.decode import Prediction
from mtl_runtime.inference.requests import Request, Result, answer_requests
from mtl_runtime.server.scheduling.fair_queue import Job, Slice

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
    """Compute all texts together; if that fails, each request's alone, so that only the culprit fails."""
    requests = [Request(ticket.texts[start:stop], ticket.tasks, ticket.embed) for ticket, start, stop in job.slices]
    hidden_size = job.model.classifier.encoder.hidden_size
    outcomes = answer_requests(job.model.pipeline, requests, hidden_size=hidden_size)
    _learn(job, requests, outcomes)
    return [_answer(part, outcome) for part, outcome in zip(job.slices, outcomes, strict=True)]


def _answer(part: Slice, outcome: Result | Exception) -> Answers | Failure:
    if isinstance(outcome, Result):
        return Answers(part, outcome.predictions, outcome.embeddings)
    return Failure(part, _locate(outcome, part.start))


def _locate(error: Exception, start: int) -> Exception:
    """An error about a text of a slice -> the same about that text of the request."""
    if isinstance(error, InvalidTextError | NonFiniteError):
        return error.at(start + error.index)
    return error


def _learn(job: Job, requests: Sequence[Request], outcomes: Sequence[Result | Exception]) -> None:
    """Let the model's estimate see the tokens that texts had."""
    tokens = {
        text: prediction.tokens
        for request, outcome in zip(requests, outcomes, strict=True)
        if isinstance(outcome, Result)
        for text, prediction in zip(request.texts, outcome.predictions, strict=True)
        if isinstance(text, str)
    }
    job.model.token_estimate.learn(list(tokens), list(tokens.values()))
