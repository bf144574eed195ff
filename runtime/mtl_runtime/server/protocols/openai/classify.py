"""Classification as vLLM and SGLang have it: POST /classify and /v1/classify."""

import time
from typing import Literal

import msgspec
from starlette.responses import Response

from mtl_runtime.inference.decode import Prediction, RegressionAnswer
from mtl_runtime.server.failures import BadRequestError, NoTextsError
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.protocols.openai.errors import OpenAIErrorResponse, render_problem
from mtl_runtime.server.protocols.openai.usage import Usage
from mtl_runtime.server.protocols.shared.label_scores import score_labels
from mtl_runtime.server.protocols.shared.task_choice import TASK_QUERY, TaskChoice, choose_task

__all__ = ["PROTOCOL", "ClassifyItem", "ClassifyRequest", "ClassifyResponse"]


class ClassifyRequest(msgspec.Struct):
    """Body of POST /classify; what it has beyond that does not change the answer."""

    input: str | list[str]
    model: str | None = None
    use_activation: bool | None = None  # false: logits instead of probabilities
    add_special_tokens: bool = True
    truncate_prompt_tokens: int | None = None


class ClassifyItem(msgspec.Struct):
    """Answer about one text."""

    index: int
    label: str  # multi_label: all that apply, joined by |; regression: the task's name
    probs: list[float]  # in the order of the task's labels; regression: its number
    num_classes: int


class ClassifyResponse(msgspec.Struct):
    """Body of the answer to POST /classify."""

    id: str
    created: int  # Unix time
    model: str
    data: list[ClassifyItem]
    usage: Usage
    object: Literal["list"] = "list"


_CLASSIFY = msgspec.json.Decoder(ClassifyRequest)


async def classify(call: Call) -> Response:
    """The answer of one task about each text, with the scores of all labels in the task's order."""
    request: ClassifyRequest = await call.json(_CLASSIFY)
    _check_options(request)
    texts = [request.input] if isinstance(request.input, str) else request.input
    choice = choose_task(call, request.model)
    result = await call.predict(choice.model, texts, tasks=[choice.task.name])
    raw = request.use_activation is False
    return json_response(
        ClassifyResponse(
            id=f"classify-{call.request_id}",
            created=int(time.time()),
            model=request.model or choice.model.name,
            data=[_answer(choice, index, prediction, raw=raw) for index, prediction in enumerate(result.predictions)],
            usage=Usage.of(result.predictions),
        )
    )


def _check_options(request: ClassifyRequest) -> None:
    if request.input == []:
        raise NoTextsError("input is empty; send at least one text")
    if not request.add_special_tokens:
        raise BadRequestError("add_special_tokens is false, but the model was trained with them; leave it out")
    if request.truncate_prompt_tokens not in (None, -1):
        raise BadRequestError(
            "truncate_prompt_tokens cannot be chosen; leave it out, and texts are truncated at the model's length"
        )


def _answer(choice: TaskChoice, index: int, prediction: Prediction, *, raw: bool) -> ClassifyItem:
    answer = prediction[choice.task.name]
    scores = [score.score for score in score_labels(choice.task, answer, raw=raw)]
    label = choice.task.name if isinstance(answer, RegressionAnswer) else answer.value
    return ClassifyItem(index, label, scores, len(scores))


PROTOCOL = Protocol(
    name="classify",
    routes=tuple(
        Route("POST", path, classify, body=ClassifyRequest, answer=ClassifyResponse, query=TASK_QUERY)
        for path in ("/classify", "/v1/classify")
    ),
    render_problem=render_problem,
    problem_type=OpenAIErrorResponse,
)
