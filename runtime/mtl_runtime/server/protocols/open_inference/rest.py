"""The Open Inference Protocol over REST: /v2 and below."""

from typing import Literal

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


class ModelReadiness(msgspec.Struct):
    """Body of the answer to GET /v2/models/{model}/ready."""

    name: str
    ready: bool


class ConfigTensor(msgspec.Struct):
    """An input or output in a model configuration."""

    name: str
    data_type: str
    dims: tuple[int, ...]


class ModelConfig(msgspec.Struct):
    """Body of the answer to GET /v2/models/{model}/config, as far as Triton's has a meaning here."""

    name: str
    platform: str
    input: list[ConfigTensor]
    output: list[ConfigTensor]
    max_batch_size: int = 0  # the shapes have all dimensions


class RepositoryModel(msgspec.Struct):
    """An item of the answer to POST /v2/repository/index."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str = ""


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
    inputs, outputs = ([_config_of(tensor) for tensor in tensors] for tensors in (model.inputs, model.outputs))
    return json_response(ModelConfig(model.name, model.platform, inputs, outputs))


async def is_model_ready(call: Call) -> Response:
    """A model answers as long as the server does."""
    model = _find_model(call)
    if not call.service.is_ready:
        raise NotReadyError("the server is shutting down")
    return json_response(ModelReadiness(model.name, ready=True))


async def list_models(call: Call) -> Response:
    """The models of the server, as Triton's model repository lists them."""
    state: Literal["READY", "UNAVAILABLE"] = "READY" if call.service.is_ready else "UNAVAILABLE"
    return json_response([RepositoryModel(model.name, VERSION, state) for model in call.service.models])


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


def _config_of(tensor: TensorMetadata) -> ConfigTensor:
    return ConfigTensor(tensor.name, _CONFIG_TYPES[tensor.datatype], tensor.shape)


_CONFIG_TYPES = {"BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "FP64": "TYPE_FP64"}
_MEDIA_TYPES = ("application/json", "application/octet-stream")  # with binary tensors behind the JSON
_MODEL, _VERSION = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"

PROTOCOL = Protocol(
    name="open_inference",
    routes=(
        Route("GET", "/v2", show_server, answer=ServerMetadata),
        Route("GET", _MODEL, show_model, answer=ModelMetadata),
        Route("GET", _VERSION, show_model, answer=ModelMetadata),
        Route("GET", f"{_MODEL}/ready", is_model_ready, answer=ModelReadiness),
        Route("GET", f"{_VERSION}/ready", is_model_ready, answer=ModelReadiness),
        Route("GET", f"{_MODEL}/config", show_config, answer=ModelConfig),
        Route("GET", f"{_VERSION}/config", show_config, answer=ModelConfig),
        Route("POST", f"{_MODEL}/infer", answer_texts, body=InferBody, answer=InferAnswer, media_types=_MEDIA_TYPES),
        Route("POST", f"{_VERSION}/infer", answer_texts, body=InferBody, answer=InferAnswer, media_types=_MEDIA_TYPES),
        Route("POST", "/v2/repository/index", list_models, answer=list[RepositoryModel]),
    ),
    render_problem=render_problem,
    problem_type=Refusal,
    prefix="/v2/",
)
