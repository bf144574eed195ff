"""The server's own JSON API: POST /v1/predict, GET /v1/tasks and GET /v1/info."""

from collections.abc import Mapping, Sequence

import msgspec
from starlette.responses import Response

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.inference.decode import Answer, MultiLabelAnswer, Prediction, RegressionAnswer, SingleLabelAnswer
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.problems import Problem
from mtl_runtime.server.served_model import ServedModel

__all__ = ["PROTOCOL", "PredictRequest", "PredictResponse", "render_problem"]


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /v1/predict."""

    texts: list[str]
    tasks: list[str] | None = None  # default: all
    model: str | None = None  # default: the first that the server has
    embed: bool = False  # give sentence embeddings too


class TaskAnswer(msgspec.Struct, omit_defaults=True):
    """Answer of one task about one text; which fields it has follows from the task's kind."""

    label: str | None = None  # single_label
    probability: float | None = None  # single_label: of that label
    labels: list[str] | None = None  # multi_label: those that reach their thresholds
    probabilities: dict[str, float] | None = None  # by label, calibrated
    thresholds: dict[str, float] | None = None  # multi_label: by label
    value: float | None = None  # regression


class TextAnswer(msgspec.Struct, omit_defaults=True):
    """All answers about one text."""

    answers: dict[str, TaskAnswer]
    tokens: int  # that the encoder read
    truncated: bool  # the text was longer than the encoder reads, and its end was left out
    windows: int = 1  # that the text was read in
    embedding: list[float] | None = None


class ModelVersion(msgspec.Struct):
    """What answered."""

    name: str
    variant: str
    digest: str  # SHA-256 of the bundle's manifest


class PredictResponse(msgspec.Struct):
    """Body of the answer to POST /v1/predict."""

    predictions: list[TextAnswer]  # in the order of the texts
    model: ModelVersion


class TaskFacts(msgspec.Struct, omit_defaults=True):
    """What a task asks."""

    name: str
    kind: str  # single_label, multi_label or regression
    labels: list[str] | None = None  # of a regression: none
    thresholds: list[float] | None = None  # multi_label: of each label


class ModelTasks(msgspec.Struct):
    """Tasks of one model."""

    name: str
    tasks: list[TaskFacts]


class TasksResponse(msgspec.Struct):
    """Body of the answer to GET /v1/tasks."""

    models: list[ModelTasks]


class ModelFacts(msgspec.Struct):
    """What a model really runs, and why."""

    name: str
    digest: str
    variant: str
    provider: str
    reason: str
    fallback: str | None  # why a faster variant does not run
    workers: int
    threads: int
    max_batch_tokens: int
    onnxruntime: str
    max_length: int  # tokens that the encoder reads
    hidden_size: int
    tasks: list[str]


class RequestLimits(msgspec.Struct):
    """What a request may hold at most."""

    texts: int
    text_bytes: int
    body_bytes: int
    request_seconds: float


class InfoResponse(msgspec.Struct):
    """Body of the answer to GET /v1/info."""

    models: list[ModelFacts]
    limits: RequestLimits


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """An error as RFC 9457 writes it."""

    type: str
    title: str
    status: int
    detail: str
    index: int | None = None  # of the text that is the reason
    problem: str | None = None  # what is wrong with that text
    known: list[str] | None = None  # names that would have been right
    texts: int | None = None
    limit: int | None = None
    retry_after: int | None = None  # seconds


_PREDICT = msgspec.json.Decoder(PredictRequest)


def render_problem(problem: Problem) -> Response:
    """A problem as RFC 9457 writes it: application/problem+json, with facts for programs as further members."""
    body = ProblemDetails(
        type=f"urn:mtl-export:problem:{problem.kind}",
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        **problem.facts,
    )
    return json_response(body, status=problem.status, media_type="application/problem+json")


async def predict(call: Call) -> Response:
    """Answer the tasks asked for about each text."""
    request: PredictRequest = await call.json(_PREDICT)
    model = call.service.models.get(request.model)
    result = await call.predict(model, request.texts, tasks=request.tasks, embed=request.embed)
    thresholds = _thresholds(model.classifier.specs)
    answers = [_text_answer(prediction, thresholds) for prediction in result.predictions]
    if result.embeddings is not None:
        for answer, row in zip(answers, result.embeddings.tolist(), strict=True):
            answer.embedding = row
    return json_response(PredictResponse(answers, _version(model)))


async def list_tasks(call: Call) -> Response:
    """Tasks, kinds and labels of each model."""
    return json_response(
        TasksResponse(
            [
                ModelTasks(model.name, [_task_facts(task) for task in model.classifier.specs])
                for model in call.service.models
            ]
        )
    )


async def show_info(call: Call) -> Response:
    """What each model really runs, and the limits of requests."""
    limits = call.service.limits
    return json_response(
        InfoResponse(
            [_model_facts(model) for model in call.service.models],
            RequestLimits(limits.max_texts, limits.max_text_bytes, limits.max_body_bytes, limits.request_seconds),
        )
    )


def _thresholds(specs: Sequence[TaskSpec]) -> Mapping[str, dict[str, float]]:
    return {
        task.name: dict(zip(task.labels, task.thresholds, strict=True)) for task in specs if task.kind == "multi_label"
    }


def _text_answer(prediction: Prediction, thresholds: Mapping[str, dict[str, float]]) -> TextAnswer:
    answers = {task: _task_answer(answer, thresholds.get(task)) for task, answer in prediction.answers.items()}
    return TextAnswer(answers, prediction.tokens, prediction.truncated, prediction.windows)


def _task_answer(answer: Answer, thresholds: dict[str, float] | None) -> TaskAnswer:
    match answer:
        case SingleLabelAnswer():
            return TaskAnswer(
                label=answer.label, probability=answer.probability, probabilities=dict(answer.probabilities)
            )
        case MultiLabelAnswer():
            return TaskAnswer(
                labels=list(answer.labels), probabilities=dict(answer.probabilities), thresholds=thresholds
            )
        case RegressionAnswer():
            return TaskAnswer(value=answer.value)


def _version(model: ServedModel) -> ModelVersion:
    return ModelVersion(model.name, model.variant, model.digest)


def _task_facts(task: TaskSpec) -> TaskFacts:
    thresholds = list(task.thresholds) if task.kind == "multi_label" else None
    return TaskFacts(task.name, task.kind, list(task.labels) or None, thresholds)


def _model_facts(model: ServedModel) -> ModelFacts:
    info, encoder = model.classifier.info, model.classifier.encoder
    return ModelFacts(
        name=model.name,
        digest=info.digest,
        variant=info.variant,
        provider=info.provider,
        reason=info.reason,
        fallback=info.fallback,
        workers=info.workers,
        threads=info.threads,
        max_batch_tokens=info.max_batch_tokens,
        onnxruntime=info.onnxruntime,
        max_length=encoder.max_length,
        hidden_size=encoder.hidden_size,
        tasks=list(model.classifier.tasks),
    )


PROTOCOL = Protocol(
    name="predict",
    routes=(
        Route("POST", "/v1/predict", predict, body=PredictRequest, answer=PredictResponse),
        Route("GET", "/v1/tasks", list_tasks, answer=TasksResponse),
        Route("GET", "/v1/info", show_info, answer=InfoResponse),
    ),
    render_problem=render_problem,
    problem_type=ProblemDetails,
)
