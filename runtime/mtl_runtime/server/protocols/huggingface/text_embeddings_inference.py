"""Text Embeddings Inference, and Hugging Face clients: POST /predict, /embed and /, GET /info."""

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import msgspec
from starlette.responses import Response

from mtl_runtime.bundle.gate_config import precision_of
from mtl_runtime.errors import InvalidTextError
from mtl_runtime.inference.decode import Prediction
from mtl_runtime.server.failures import BadRequestError, NoTextsError
from mtl_runtime.server.http.call import Call, decode_json
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.problems import Problem
from mtl_runtime.server.protocols.huggingface.bodies import (
    ClassificationParameters,
    ClassifierFacts,
    EmbedBody,
    EndpointError,
    EndpointInfo,
    ErrorType,
    ModelType,
    PredictBody,
    TruncationOptions,
)
from mtl_runtime.server.protocols.huggingface.inference_client import is_feature_extraction, wants_raw_scores
from mtl_runtime.server.protocols.shared.embedding_input import (
    check_dimensions,
    embed_input,
    embedding_rows,
    list_texts,
)
from mtl_runtime.server.protocols.shared.label_scores import LabelScore, score_labels
from mtl_runtime.server.protocols.shared.task_choice import TASK_QUERY, TaskChoice, choose_task
from mtl_runtime.server.served_model import ServedModel

__all__ = ["PROTOCOL", "read_texts", "render_problem"]

_PREDICT, _EMBED = msgspec.json.Decoder(PredictBody), msgspec.json.Decoder(EmbedBody)

_EITHER = list[LabelScore | list[LabelScore | float]]  # what /predict answers, or /embed

# By the kind of a problem; of any other one: Validation.
_ERROR_TYPES: Mapping[str, ErrorType] = {
    "no_texts": "Empty",
    "invalid_text": "Tokenizer",
    "overloaded": "Overloaded",
    "deadline": "Overloaded",
    "not_ready": "Unhealthy",
    "non_finite": "Backend",
    "internal": "Backend",
}


def render_problem(problem: Problem) -> Response:
    """A problem as {error, error_type}; there, 424 says that the model failed."""
    status = 424 if problem.status == 500 else problem.status
    return json_response(EndpointError(problem.detail, _ERROR_TYPES.get(problem.kind, "Validation")), status=status)


def read_texts(inputs: str | Sequence[str | Sequence[str]], *, flat_is_batch: bool) -> tuple[list[str], bool]:
    """The texts of ``inputs``, and whether they are a batch.

    Args:
        inputs: a text, or lists as the protocol has them.
        flat_is_batch: a list of strings is a batch, as for Hugging Face clients; else it is one text, or a pair.

    Raises:
        NoTextsError: an empty list.
        BadRequestError: a pair of texts, or neither a text nor a batch.
    """
    if isinstance(inputs, str):
        return [inputs], False
    if not inputs:
        raise NoTextsError("inputs is empty; send at least one text")
    flat = [item for item in inputs if isinstance(item, str)]
    if len(flat) == len(inputs) and (flat_is_batch or len(flat) == 1):
        return flat, flat_is_batch
    if flat or any(len(item) != 1 for item in inputs):
        raise BadRequestError(
            "inputs has a pair of texts, which is what two strings in one list are in this protocol, and pairs are not "
            'classified here; write a batch as a list of lists, [["first text"], ["second text"]]'
        )
    return [item[0] for item in inputs], True


async def predict(call: Call) -> Response:
    """Labels and scores of one task, the most probable label first."""
    return await _predict(call, await call.body())


async def embed(call: Call) -> Response:
    """Embeddings, of length 1 unless ``normalize`` is false."""
    return await _embed(call, await call.body())


async def predict_or_embed(call: Call) -> Response:
    """Answer what was sent to the bare URL: as /predict, or as /embed where a client wants embeddings."""
    body = await call.body()
    return await (_embed if is_feature_extraction(call, body) else _predict)(call, body)


async def show_info(call: Call) -> Response:
    """What the bundle runs, and the labels of the task that answers."""
    model, task = choose_task(call)
    labels = task.labels or (task.name,)
    info, limits = model.classifier.info, call.service.limits
    return json_response(
        EndpointInfo(
            model_id=model.name,
            model_sha=info.digest,
            model_dtype=precision_of(info.variant),
            model_type=ModelType(
                ClassifierFacts(
                    id2label={str(index): label for index, label in enumerate(labels)},
                    label2id={label: index for index, label in enumerate(labels)},
                )
            ),
            max_concurrent_requests=limits.max_requests,
            max_input_length=model.classifier.encoder.max_length,
            max_batch_tokens=info.max_batch_tokens,
            max_client_batch_size=limits.max_texts,
            auto_truncate=model.classifier.settings.inputs.long_text == "truncate",
            tokenization_workers=info.workers,
            version=version("mtl-export"),
        )
    )


async def _predict(call: Call, body: bytes) -> Response:
    started = time.perf_counter()
    request: PredictBody = decode_json(_PREDICT, body)
    is_from_client = request.parameters is not msgspec.UNSET
    parameters = request.parameters or ClassificationParameters()
    texts, is_batch = read_texts(request.inputs, flat_is_batch=is_from_client)
    choice = choose_task(call)
    raw = request.raw_scores or wants_raw_scores(parameters, choice.task)
    result = await call.predict(choice.model, texts, tasks=[choice.task.name])
    _check_truncation(request, choice.model, result.predictions)
    scores = [_rank(choice, prediction, raw=raw)[: parameters.top_k] for prediction in result.predictions]
    content = scores if is_batch or is_from_client else scores[0]
    return json_response(content, headers=_cost(choice.model, texts, result.predictions, started))


async def _embed(call: Call, body: bytes) -> Response:
    started = time.perf_counter()
    request: EmbedBody = decode_json(_EMBED, body)
    if request.prompt_name is not None:
        raise BadRequestError(f"there is no prompt {request.prompt_name[:80]!r}: this model has none; leave it out")
    texts, model = list_texts(request.inputs), choose_task(call).model
    check_dimensions(request.dimensions, model)
    result = await embed_input(call, model, texts)
    _check_truncation(request, model, result.predictions)
    rows = embedding_rows(result, normalize=request.normalize)
    return json_response(rows.tolist(), headers=_cost(model, texts, result.predictions, started))


def _rank(choice: TaskChoice, prediction: Prediction, *, raw: bool) -> list[LabelScore]:
    return sorted(score_labels(choice.task, prediction[choice.task.name], raw=raw), key=lambda score: -score.score)


def _check_truncation(request: TruncationOptions, model: ServedModel, predictions: Sequence[Prediction]) -> None:
    if request.truncate is not False and request.truncation_direction.lower() == "right":
        return
    for index, prediction in enumerate(predictions):
        if prediction.truncated:
            raise InvalidTextError(
                index,
                f"has more than the {model.classifier.encoder.max_length} tokens that the encoder reads; shorten it, "
                f"or let it be truncated at the right",
            )


def _cost(
    model: ServedModel,
    texts: Sequence[str] | Sequence[Sequence[int]],
    predictions: Sequence[Prediction],
    started: float,
) -> Mapping[str, str]:
    """What the answer took, times in milliseconds."""
    milliseconds = str(round((time.perf_counter() - started) * 1000))
    return {
        "x-compute-type": model.classifier.info.provider,
        "x-compute-time": milliseconds,
        "x-compute-characters": str(sum(len(text) for text in texts if isinstance(text, str))),
        "x-compute-tokens": str(sum(prediction.tokens for prediction in predictions)),
        "x-total-time": milliseconds,
    }


PROTOCOL = Protocol(
    name="text_embeddings_inference",
    routes=(
        Route(
            "POST", "/predict", predict, body=PredictBody, answer=list[LabelScore | list[LabelScore]], query=TASK_QUERY
        ),
        Route("POST", "/embed", embed, body=EmbedBody, answer=list[list[float]], query=TASK_QUERY),
        Route("POST", "/", predict_or_embed, body=PredictBody, answer=_EITHER, query=TASK_QUERY),
        Route("GET", "/info", show_info, answer=EndpointInfo, query=TASK_QUERY),
    ),
    render_problem=render_problem,
    problem_type=EndpointError,
)
