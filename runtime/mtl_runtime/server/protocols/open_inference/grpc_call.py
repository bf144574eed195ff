"""One call of gRPC as the handlers, the check of API keys, the log and the traces see it."""

import secrets
from collections.abc import Sequence
from typing import Any

import grpc

from mtl_runtime.inference.requests import Result
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.service import Service

__all__ = ["GrpcCall", "status_code"]

_CANCELLED = 499  # the status that HTTP gives a client that has gone
# By the status that HTTP gives the same problem.
_CODES = {
    200: grpc.StatusCode.OK,
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    _CANCELLED: grpc.StatusCode.CANCELLED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def status_code(status: int) -> Any:
    """Status of HTTP -> the code of gRPC."""
    return _CODES.get(status, grpc.StatusCode.INTERNAL)


class GrpcCall:
    """A call, with what adapters ask of it.

    Args:
        path: of the method.
        context: of grpc.
        service: answers it.
    """

    def __init__(self, path: str, context: Any, service: Service) -> None:
        self.path, self._context, self.service = path, context, service
        self.status = _CANCELLED  # as HTTP gives it
        self.request_id = secrets.token_hex(8)  # in the log, and in the metadata of an error
        self.texts: int | None = None  # asked about, for the log
        self._headers = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}

    def header(self, name: str) -> str | None:
        """The value of metadata, or None."""
        return self._headers.get(name)

    def describe_span(self) -> tuple[str, dict[str, str | int]]:
        """Name and attributes of its span, by the semantic conventions for gRPC."""
        _, service, method = self.path.split("/")
        code = status_code(self.status)
        attributes: dict[str, str | int] = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "rpc.grpc.status_code": code.value[0],
            "mtl.request_id": self.request_id,
        }
        if self.texts is not None:
            attributes["mtl.texts"] = self.texts
        if self.status >= 500:
            attributes["error.type"] = code.name
        return self.path[1:], attributes

    async def predict(
        self, model: ServedModel, texts: Sequence[str], *, timeout: float | None, **options: Any
    ) -> Result:
        """:meth:`Service.predict` within the deadline of the call, which the client may narrow by ``timeout``."""
        self.texts = len(texts)
        limits = [limit for limit in (timeout, self._context.time_remaining()) if limit is not None]
        return await self.service.predict(model, texts, timeout=min(limits, default=None), **options)
