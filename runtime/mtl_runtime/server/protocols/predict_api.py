"""The server's own JSON API: POST /v1/predict, GET /v1/tasks and GET /v1/info."""

from collections.abc import Mapping, Sequence
from typing import Any

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


_PREDICT = msgspec.json.Decoder(PredictRequest)


def render_problem(problem: Problem) -> Response:
    """A problem as RFC 9457 writes it: application/problem+json, with facts for programs as further members."""
    body = {
        "type": f"urn:mtl-export:problem:{problem.kind}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.facts,
    }
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
    models = [
        {"name": model.name, "tasks": [_task_facts(task) for task in model.classifier.specs]}
        for model in call.service.models
    ]
    return json_response({"models": models})


async def show_info(call: Call) -> Response:
    """What each model really runs, and the limits of requests."""
    return json_response(
        {
            "models": [_model_facts(model) for model in call.service.models],
            "limits": {
                "texts": call.service.limits.max_texts,
                "text_bytes": call.service.limits.max_text_bytes,
                "body_bytes": call.service.limits.max_body_bytes,
                "request_seconds": call.service.limits.request_seconds,
            },
        }
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


def _task_facts(task: TaskSpec) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": task.name, "kind": task.kind}
    if task.labels:
        facts["labels"] = list(task.labels)
    if task.kind == "multi_label":
        facts["thresholds"] = list(task.thresholds)
    if task.standardization is not None:
        facts["standardization"] = {"mean": task.standardization.mean, "deviation": task.standardization.deviation}
    return facts


def _model_facts(model: ServedModel) -> dict[str, Any]:
    info, encoder = model.classifier.info, model.classifier.encoder
    return {
        "name": model.name,
        "digest": info.digest,
        "variant": info.variant,
        "provider": info.provider,
        "reason": info.reason,
        "fallback": info.fallback,
        "workers": info.workers,
        "threads": info.threads,
        "max_batch_tokens": info.max_batch_tokens,
        "onnxruntime": info.onnxruntime,
        "max_length": encoder.max_length,
        "hidden_size": encoder.hidden_size,
        "tasks": list(model.classifier.tasks),
    }


PROTOCOL = Protocol(
    name="predict",
    routes=(
        Route("POST", "/v1/predict", predict),
        Route("GET", "/v1/tasks", list_tasks),
        Route("GET", "/v1/info", show_info),
    ),
    render_problem=render_problem,
)
