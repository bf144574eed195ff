"""The server's own JSON API: POST /v1/predict and /v1/predict/stream, GET /v1/tasks and /v1/info."""

import msgspec
from starlette.responses import Response

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.problems import Problem
from mtl_runtime.server.protocols.predict_bodies import model_version, problem_details, text_answers
from mtl_runtime.server.protocols.predict_lines import LINES_MEDIA_TYPE, LINES_QUERY, predict_lines
from mtl_runtime.server.protocols.predict_types import (
    InfoResponse,
    ModelFacts,
    ModelTasks,
    NumberScale,
    PredictRequest,
    PredictResponse,
    ProblemDetails,
    RequestLimits,
    TaskFacts,
    TasksResponse,
)
from mtl_runtime.server.served_model import ServedModel

__all__ = ["PROBLEM_MEDIA_TYPE", "PROTOCOL", "render_problem"]

PROBLEM_MEDIA_TYPE = "application/problem+json"


_PREDICT = msgspec.json.Decoder(PredictRequest)


def render_problem(problem: Problem) -> Response:
    """A problem as RFC 9457 writes it: application/problem+json."""
    return json_response(problem_details(problem), status=problem.status, media_type=PROBLEM_MEDIA_TYPE)


async def predict(call: Call) -> Response:
    """Answer the tasks asked for about each text."""
    request: PredictRequest = await call.json(_PREDICT)
    model = call.service.models.get(request.model)
    result = await call.predict(model, request.texts, tasks=request.tasks, embed=request.embed)
    return json_response(PredictResponse(text_answers(result, model), model_version(model)))


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


def _task_facts(task: TaskSpec) -> TaskFacts:
    thresholds = list(task.thresholds) if task.kind == "multi_label" else None
    own = task.standardization
    scale = None if own is None else NumberScale(own.mean, own.deviation)
    return TaskFacts(task.name, task.kind, list(task.labels) or None, thresholds, scale)


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
        Route(
            "POST",
            "/v1/predict/stream",
            predict_lines,
            body=str,
            body_media_type=LINES_MEDIA_TYPE,
            media_types=(LINES_MEDIA_TYPE,),
            query=LINES_QUERY,
        ),
        Route("GET", "/v1/tasks", list_tasks, answer=TasksResponse),
        Route("GET", "/v1/info", show_info, answer=InfoResponse),
    ),
    render_problem=render_problem,
    problem_type=ProblemDetails,
    problem_media_type=PROBLEM_MEDIA_TYPE,
)
