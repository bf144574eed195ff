"""Problem -> an error as clients of OpenAI read it."""

import msgspec
from starlette.responses import Response

from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.problems import Problem

__all__ = ["OpenAIError", "OpenAIErrorResponse", "render_problem"]


class OpenAIError(msgspec.Struct):
    """Why there is no answer."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIErrorResponse(msgspec.Struct):
    """Body of an answer that is none."""

    error: OpenAIError


_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


def render_problem(problem: Problem) -> Response:
    """A problem as {"error": {message, type, param, code}}."""
    kind = _TYPES.get(problem.status, "server_error" if problem.status >= 500 else "invalid_request_error")
    error = OpenAIError(message=problem.detail, type=kind, param=None, code=problem.kind)
    return json_response(OpenAIErrorResponse(error), status=problem.status)
