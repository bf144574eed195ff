"""OpenAI's API, as far as a sentence encoder has something to say: POST /v1/embeddings and GET /v1/models."""

import base64
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.protocols.openai.errors import OpenAIErrorResponse, render_problem
from mtl_runtime.server.protocols.openai.usage import Usage
from mtl_runtime.server.protocols.shared.embedding_input import (
    EmbeddingInput,
    check_dimensions,
    embed_input,
    embedding_rows,
    list_texts,
)
from mtl_runtime.server.protocols.shared.task_choice import TASK_QUERY, choose_task

__all__ = ["PROTOCOL", "EmbeddingItem", "EmbeddingRequest", "EmbeddingResponse", "ModelItem", "ModelList"]


class EmbeddingRequest(msgspec.Struct):
    """Body of POST /v1/embeddings; what it has beyond that does not change the answer."""

    input: EmbeddingInput
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class EmbeddingItem(msgspec.Struct):
    """Embedding of one text."""

    index: int
    embedding: list[float] | str  # base64 of little-endian float32
    object: Literal["embedding"] = "embedding"


class EmbeddingResponse(msgspec.Struct):
    """Body of the answer to POST /v1/embeddings."""

    data: list[EmbeddingItem]
    model: str
    usage: Usage
    object: Literal["list"] = "list"


class ModelItem(msgspec.Struct):
    """A bundle of the server, or a split among several."""

    id: str
    created: int  # Unix time at which it was loaded
    object: Literal["model"] = "model"
    owned_by: str = "mtl-export"


class ModelList(msgspec.Struct):
    """Body of the answer to GET /v1/models."""

    data: list[ModelItem]
    object: Literal["list"] = "list"


_EMBEDDINGS = msgspec.json.Decoder(EmbeddingRequest)


async def embed(call: Call) -> Response:
    """Embeddings of length 1, as numbers or as base64 of little-endian float32."""
    request: EmbeddingRequest = await call.json(_EMBEDDINGS)
    texts, model = list_texts(request.input), choose_task(call, request.model).model
    check_dimensions(request.dimensions, model)
    result = await embed_input(call, model, texts)
    rows = embedding_rows(result, normalize=True)
    encoded = _encode_base64(rows) if request.encoding_format == "base64" else rows.tolist()
    items = [EmbeddingItem(index, row) for index, row in enumerate(encoded)]
    return json_response(EmbeddingResponse(items, model.name, Usage.of(result.predictions)))


async def list_models(call: Call) -> Response:
    """The bundles of the server, and splits among them."""
    models = call.service.models
    return json_response(ModelList([_describe(models, name) for name in models.names]))


async def show_model(call: Call) -> Response:
    """One bundle."""
    return json_response(_describe(call.service.models, call.parameters["model"]))


def _describe(models: ModelTable, name: str) -> ModelItem:
    return ModelItem(name, int(models.get(name).loaded_at))


def _encode_base64(rows: NDArray[np.float32]) -> list[str]:
    return [base64.b64encode(row.tobytes()).decode("ascii") for row in rows.astype("<f4")]


PROTOCOL = Protocol(
    name="openai",
    routes=(
        Route("POST", "/v1/embeddings", embed, body=EmbeddingRequest, answer=EmbeddingResponse, query=TASK_QUERY),
        Route("GET", "/v1/models", list_models, answer=ModelList),
        Route("GET", "/v1/models/{model}", show_model, answer=ModelItem),
    ),
    render_problem=render_problem,
    problem_type=OpenAIErrorResponse,
)
