"""What orchestrators and Prometheus ask: /v2/health/live and /ready, /health and /metrics."""

import msgspec
from starlette.responses import Response

from mtl_runtime.server.failures import NotReadyError
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.protocols.predict_api import PROBLEM_MEDIA_TYPE, render_problem
from mtl_runtime.server.protocols.predict_types import ProblemDetails

__all__ = ["PROTOCOL"]


class Liveness(msgspec.Struct):
    """The process answers."""

    live: bool


class Readiness(Liveness):
    """New requests are welcome."""

    ready: bool


async def is_live(_: Call) -> Response:
    """The process answers; true while it is busy or stopping, too."""
    return json_response(Liveness(live=True))


async def is_ready(call: Call) -> Response:
    """New requests are welcome: all models are loaded and warm, and the server is not stopping."""
    if not call.service.is_ready:
        raise NotReadyError("the server is shutting down")
    return json_response(Readiness(live=True, ready=True))


async def show_metrics(call: Call) -> Response:
    """Counters of all processes in the text format of Prometheus."""
    content = await call.service.siblings.add_metrics(call.service.metrics.render())
    return Response(content, media_type="text/plain; version=0.0.4; charset=utf-8")


PROTOCOL = Protocol(
    name="health",
    routes=(
        Route("GET", "/v2/health/live", is_live, is_public=True, answer=Liveness),
        Route("GET", "/v2/health/ready", is_ready, is_public=True, answer=Readiness),
        Route("GET", "/health", is_ready, is_public=True, answer=Readiness),
        Route("GET", "/metrics", show_metrics, media_types=("text/plain",)),
    ),
    render_problem=render_problem,
    problem_type=ProblemDetails,
    problem_media_type=PROBLEM_MEDIA_TYPE,
)
