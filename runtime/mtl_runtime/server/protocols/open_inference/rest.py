"""The Open Inference Protocol over REST: /v2 and below."""

from typing import Any

import msgspec
from starlette.responses import Response

from mtl_runtime.server.failures import NotReadyError
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.problems import Problem
from mtl_runtime.server.protocols.open_inference.infer import VERSION, find_model, infer
from mtl_runtime.server.protocols.open_inference.metadata import (
    ModelMetadata,
    ServerMetadata,
    TensorMetadata,
    describe_model,
    describe_server,
)
from mtl_runtime.server.protocols.open_inference.rest_body import (
    InferAnswer,
    InferBody,
    read_infer_request,
    write_infer_response,
)
from mtl_runtime.server.served_model import ServedModel

__all__ = ["PROTOCOL"]

_LENGTH = "Inference-Header-Content-Length"


class Refusal(msgspec.Struct):
    """Body of an answer that is an error."""

    error: str


def render_problem(problem: Problem) -> Response:
    """A problem as clients of the protocol read it."""
    return json_response(Refusal(problem.detail), status=problem.status)


async def show_server(_: Call) -> Response:
    """Name, version and extensions of the server."""
    return json_response(describe_server())


async def show_model(call: Call) -> Response:
    """Inputs and outputs of a model."""
    return json_response(describe_model(_find_model(call)))


async def show_config(call: Call) -> Response:
    """The same as Triton's model configuration says it."""
    model = describe_model(_find_model(call))
    config = {
        "name": model.name,
        "platform": model.platform,
        "max_batch_size": 0,  # the shapes have all dimensions
        "input": [_config_of(tensor) for tensor in model.inputs],
        "output": [_config_of(tensor) for tensor in model.outputs],
    }
    return json_response(config)


async def is_model_ready(call: Call) -> Response:
    """A model answers as long as the server does."""
    model = _find_model(call)
    if not call.service.is_ready:
        raise NotReadyError("the server is shutting down")
    return json_response({"name": model.name, "ready": True})


async def list_models(call: Call) -> Response:
    """The models of the server, as Triton's model repository lists them."""
    state = "READY" if call.service.is_ready else "UNAVAILABLE"
    models = [{"name": model.name, "version": VERSION, "state": state, "reason": ""} for model in call.service.models]
    return json_response(models)


async def answer_texts(call: Call) -> Response:
    """The outputs asked for about each text."""
    model = _find_model(call)
    body = await call.body()
    request = read_infer_request(body, call.header(_LENGTH.lower()), call.service.limits.max_texts)
    answers = await infer(call.predict, model, request)
    content, json_length = write_infer_response(model.name, request, answers)
    if json_length is None:
        return Response(content, media_type="application/json")
    return Response(content, headers={_LENGTH: str(json_length)}, media_type="application/octet-stream")


def _find_model(call: Call) -> ServedModel:
    return find_model(call.service.models, call.parameters["model"], call.parameters.get("version"))


def _config_of(tensor: TensorMetadata) -> dict[str, Any]:
    return {"name": tensor.name, "data_type": _CONFIG_TYPES[tensor.datatype], "dims": tensor.shape}


_CONFIG_TYPES = {"BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "FP64": "TYPE_FP64"}
_MODEL, _VERSION = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"

PROTOCOL = Protocol(
    name="open_inference",
    routes=(
        Route("GET", "/v2", show_server, answer=ServerMetadata),
        Route("GET", _MODEL, show_model, answer=ModelMetadata),
        Route("GET", _VERSION, show_model, answer=ModelMetadata),
        Route("GET", f"{_MODEL}/ready", is_model_ready),
        Route("GET", f"{_VERSION}/ready", is_model_ready),
        Route("GET", f"{_MODEL}/config", show_config),
        Route("GET", f"{_VERSION}/config", show_config),
        Route("POST", f"{_MODEL}/infer", answer_texts, body=InferBody, answer=InferAnswer),
        Route("POST", f"{_VERSION}/infer", answer_texts, body=InferBody, answer=InferAnswer),
        Route("POST", "/v2/repository/index", list_models),
    ),
    render_problem=render_problem,
    problem_type=Refusal,
    prefix="/v2/",
)
