"""POST /v1/explain: which words of a text led to the answers."""

import msgspec
from starlette.responses import Response

from mtl_runtime.inference.explain import Explanation
from mtl_runtime.server.failures import BadRequestError
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.protocols.predict_api import PROBLEM_MEDIA_TYPE, render_problem
from mtl_runtime.server.protocols.predict_bodies import model_version
from mtl_runtime.server.protocols.predict_types import ModelVersion, ProblemDetails
from mtl_runtime.text.word_spans import Granularity

__all__ = ["PROTOCOL", "ExplainRequest", "ExplainResponse"]


class ExplainRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /v1/explain."""

    text: str
    task: str | None = None  # default: all, for the cost of one
    label: str | None = None  # of that task; default: the one answered, for a multi_label task the most probable
    model: str | None = None  # default: the first that the server has
    by: Granularity = "word"  # what is left out at once


class WordImportance(msgspec.Struct):
    """What a word or token does for an answer."""

    text: str
    start: int  # in Unicode code points of the text
    end: int
    importance: float  # baseline minus the score without it: above 0 where it speaks for the answer


class TaskExplanation(msgspec.Struct):
    """How much each word adds to the answer of one task."""

    label: str | None  # whose probability is the score; null for a regression, where the value is
    baseline: float  # score of the whole text
    tokens: list[WordImportance]  # in the text's order; white space lies between them
    truncated: bool  # the text was longer than the encoder reads, and its end is not explained


class ExplainResponse(msgspec.Struct):
    """Body of the answer to POST /v1/explain."""

    explanations: dict[str, TaskExplanation]  # by task
    model: ModelVersion


_EXPLAIN = msgspec.json.Decoder(ExplainRequest)


async def explain(call: Call) -> Response:
    """Explain the answer of one task, or of all."""
    request: ExplainRequest = await call.json(_EXPLAIN)
    model = call.service.models.get(request.model)
    explanations = await call.unless_gone(
        call.service.explain(
            model,
            request.text,
            tasks=None if request.task is None else [request.task],
            labels=_labels(request),
            by=request.by,
            timeout=call.timeout,
        )
    )
    by_task = {explanation.task: _task_explanation(explanation) for explanation in explanations}
    return json_response(ExplainResponse(by_task, model_version(model)))


def _labels(request: ExplainRequest) -> dict[str, str]:
    if request.label is None:
        return {}
    if request.task is None:
        raise BadRequestError("a label belongs to a task; name the task too")
    return {request.task: request.label}


def _task_explanation(explanation: Explanation) -> TaskExplanation:
    tokens = [WordImportance(part.text, part.start, part.end, part.importance) for part in explanation.tokens]
    return TaskExplanation(explanation.label, explanation.baseline, tokens, explanation.truncated)


PROTOCOL = Protocol(
    name="explain",
    routes=(Route("POST", "/v1/explain", explain, body=ExplainRequest, answer=ExplainResponse),),
    render_problem=render_problem,
    problem_type=ProblemDetails,
    problem_media_type=PROBLEM_MEDIA_TYPE,
)
