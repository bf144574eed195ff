"""The Open Inference Protocol over gRPC, in the event loop of the HTTP server."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from mtl_runtime.errors import MtlError
from mtl_runtime.server.failures import BadRequestError, NotFoundError, SlowClientError
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.observability.request_log import log_request
from mtl_runtime.server.problems import Problem
from mtl_runtime.server.protocols.open_inference import open_inference_pb2 as messages
from mtl_runtime.server.protocols.open_inference.grpc_call import GrpcCall, status_code
from mtl_runtime.server.protocols.open_inference.grpc_messages import (
    read_infer_request,
    write_infer_response,
    write_model_metadata,
)
from mtl_runtime.server.protocols.open_inference.infer import find_model, infer
from mtl_runtime.server.protocols.open_inference.metadata import describe_model, describe_server
from mtl_runtime.server.service import Service
from mtl_runtime.server.settings import Address

__all__ = ["serve_grpc"]

_log = logging.getLogger(__name__)
_SERVICE = "inference.GRPCInferenceService"
_PROBES = 64  # calls that find a place where all requests have taken theirs; gRPC refuses further ones
_LONGEST_DETAIL = 1000  # characters; gRPC sends them in a header


@asynccontextmanager
async def serve_grpc(
    service: Service, keys: ApiKeys, address: Address, *, is_shared: bool = False
) -> AsyncIterator[int]:
    """Answer until the end of the context, then finish what is under way; gives the port.

    Args:
        service: computes the answers.
        keys: that clients need, except for probes, in the metadata `authorization` or `x-api-key`.
        address: with the certificate, if there is one; of port 0 the system makes a free one.
        is_shared: other processes listen there, too, and the system gives each connection to one of them.

    Raises:
        MtlError: somebody else listens there, or the certificate cannot be used.
    """
    most = service.limits.max_requests + _PROBES
    server = grpc.aio.server(options=_options(service.limits, is_shared=is_shared), maximum_concurrent_rpcs=most)
    for name, methods in _METHODS.items():
        handlers = {method: _handler(f"/{name}/{method}", row, service, keys) for method, row in methods.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    port = _bind(server, address)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(service.limits.drain_seconds)


@dataclass(frozen=True, slots=True)
class _Method:
    request: type[Any]
    answer: Callable[[GrpcCall, Any], Awaitable[Any]]
    is_public: bool = False  # needs no API key


async def is_live(_call: GrpcCall, _request: messages.ServerLiveRequest) -> messages.ServerLiveResponse:
    """The process answers."""
    return messages.ServerLiveResponse(live=True)


async def is_ready(call: GrpcCall, _request: messages.ServerReadyRequest) -> messages.ServerReadyResponse:
    """New requests are welcome."""
    return messages.ServerReadyResponse(ready=call.service.is_ready)


async def check_health(call: GrpcCall, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
    """The same as probes of orchestrators ask it, by grpc.health.v1."""
    if request.service not in ("", _SERVICE):
        raise NotFoundError(f"there is no service {request.service[:80]!r} here")
    response = health_pb2.HealthCheckResponse
    return response(status=response.SERVING if call.service.is_ready else response.NOT_SERVING)


async def is_model_ready(call: GrpcCall, request: messages.ModelReadyRequest) -> messages.ModelReadyResponse:
    """A model answers as long as the server does."""
    find_model(call.service.models, request.name, request.version)
    return messages.ModelReadyResponse(ready=call.service.is_ready)


async def show_server(_call: GrpcCall, _request: messages.ServerMetadataRequest) -> messages.ServerMetadataResponse:
    """Name, version and extensions of the server."""
    server = describe_server()
    return messages.ServerMetadataResponse(name=server.name, version=server.version, extensions=server.extensions)


async def show_model(call: GrpcCall, request: messages.ModelMetadataRequest) -> messages.ModelMetadataResponse:
    """Inputs and outputs of a model."""
    return write_model_metadata(describe_model(find_model(call.service.models, request.name, request.version)))


async def answer_texts(call: GrpcCall, message: messages.ModelInferRequest) -> messages.ModelInferResponse:
    """The outputs asked for about each text."""
    model = find_model(call.service.models, message.model_name, message.model_version)
    request = read_infer_request(message, call.service.limits.max_texts)
    answers = await infer(call.predict, model, request)
    return write_infer_response(model.name, request, [tensor for _, tensor in answers])


_METHODS: Mapping[str, Mapping[str, _Method]] = {
    _SERVICE: {
        "ServerLive": _Method(messages.ServerLiveRequest, is_live, is_public=True),
        "ServerReady": _Method(messages.ServerReadyRequest, is_ready, is_public=True),
        "ModelReady": _Method(messages.ModelReadyRequest, is_model_ready),
        "ServerMetadata": _Method(messages.ServerMetadataRequest, show_server),
        "ModelMetadata": _Method(messages.ModelMetadataRequest, show_model),
        "ModelInfer": _Method(messages.ModelInferRequest, answer_texts),
    },
    "grpc.health.v1.Health": {"Check": _Method(health_pb2.HealthCheckRequest, check_health, is_public=True)},
}


def _handler(path: str, method: _Method, service: Service, keys: ApiKeys) -> Any:
    # A call of one message is read as a stream: gRPC waits for that message without limit. Messages are parsed in
    # _read: gRPC would report malformed ones as an unknown error, with a traceback in the log.
    answer = partial(_answer, path, method, service, keys)
    return grpc.stream_unary_rpc_method_handler(answer, response_serializer=_serialize)


def _serialize(response: Any) -> bytes:
    data: bytes = response.SerializeToString()
    return data


async def _answer(path: str, method: _Method, service: Service, keys: ApiKeys, _messages: Any, context: Any) -> Any:
    call = GrpcCall(path, context, service)
    with service.tracing.request(call):
        return await _respond(method, call, keys, context)


async def _respond(method: _Method, call: GrpcCall, keys: ApiKeys, context: Any) -> Any:
    started, service = time.perf_counter(), call.service
    try:
        if not method.is_public:
            keys.check(call)
        request = await _read(method.request, context, service.limits.receive_seconds)
        response = await method.answer(call, request)
    except Exception as error:  # noqa: BLE001 - a client sees no traceback
        problem = Problem.of(error)
        call.status = problem.status
        if problem.status == 500:
            _log.error("request %s failed", call.request_id, exc_info=error)
        await _refuse(problem, call, context)
    else:
        call.status = 200
        return response
    finally:
        seconds = time.perf_counter() - started
        service.metrics.count_request(call.path, call.status, seconds)
        log_request(
            request_id=call.request_id,
            method="gRPC",
            path=call.path,
            code=call.status,
            seconds=seconds,
            texts=call.texts,
        )


async def _read(kind: type[Any], context: Any, seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            data = await context.read()
    except TimeoutError:
        raise SlowClientError(f"no message came within {seconds} s") from None
    if data is grpc.aio.EOF:
        raise BadRequestError("the call has no message")
    try:
        return kind.FromString(data)
    except DecodeError:
        raise BadRequestError(f"the message is no {kind.__name__}") from None


async def _refuse(problem: Problem, call: GrpcCall, context: Any) -> None:
    call.service.metrics.count_refusal(problem.kind)
    metadata = [("x-request-id", call.request_id)]
    if "retry_after" in problem.facts:
        # Clients that have a retry policy wait for so many milliseconds.
        metadata.append(("grpc-retry-pushback-ms", str(1000 * problem.facts["retry_after"])))
    code = status_code(problem.status)
    await context.abort(code, problem.detail[:_LONGEST_DETAIL], tuple(metadata))


def _options(limits: Limits, *, is_shared: bool) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.server_handshake_timeout_ms", round(1000 * limits.receive_seconds)),
        ("grpc.max_connection_idle_ms", round(1000 * limits.idle_seconds)),
        ("grpc.so_reuseport", int(is_shared)),  # else a second server on the same port would get a part of the calls
    ]


def _bind(server: Any, address: Address) -> int:
    place = f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
    try:
        if address.certificate is None or address.private_key is None:
            port: int = server.add_insecure_port(place)
        else:
            pair = (address.private_key.read_bytes(), address.certificate.read_bytes())
            port = server.add_secure_port(place, grpc.ssl_server_credentials([pair]))
    except (RuntimeError, OSError) as error:
        raise MtlError(f"cannot listen for gRPC on {place}: {error}; choose another --grpc-port") from None
    return port
