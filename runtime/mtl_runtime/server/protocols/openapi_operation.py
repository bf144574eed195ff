"""route -> its operation in the OpenAPI document: parameters, bodies, and every status that may come."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.problems import STATUS_TITLES, Problem

__all__ = ["describe_operation"]

_JSON = "application/json"
_TEXT = {"type": "string"}
_READING = (400, 408, 413, 415, 422, 429, 504)  # of routes that read a body and compute
_HEADERS = {
    401: {"WWW-Authenticate": {"required": True, "schema": _TEXT}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer"}}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer"}}},
}
_TIMEOUT = {
    "name": "X-Request-Timeout",
    "in": "header",
    "description": "Seconds that the client waits.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}


def describe_operation(route: Route, protocol: Protocol, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    """Describe a route.

    Args:
        route: of the protocol.
        protocol: says how problems are written.
        schemas: of all bodies and answers, by their types.
    """
    name = getattr(route.handler, "__name__", "answer")
    path = re.sub(r"\W+", "_", route.path).strip("_")
    operation: dict[str, Any] = {
        "operationId": f"{protocol.name}_{name}_{route.method.lower()}_{path}",
        "summary": (inspect.getdoc(route.handler) or "").partition("\n")[0],
        "tags": [protocol.name],
        "responses": dict(_responses(route, protocol, schemas)),
        "security": [] if route.is_public else [{"key": []}, {}],
    }
    if parameters := list(_parameters(route)):
        operation["parameters"] = parameters
    if route.body is not None:
        content = {route.body_media_type: {"schema": schemas[route.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.path):
        yield {"name": name, "in": "path", "required": True, "schema": _TEXT}
    for name, description in route.query.items():
        yield {"name": name, "in": "query", "description": description, "schema": _TEXT}
    if route.body is not None:
        yield _TIMEOUT


def _responses(route: Route, protocol: Protocol, schemas: Mapping[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    content = {
        media_type: {"schema": schemas[route.answer] if media_type == _JSON else _TEXT}
        for media_type in route.media_types
    }
    yield str(route.status), _response("The answer.", route.status, content)
    problem = {protocol.problem_media_type: {"schema": schemas[protocol.problem_type]}}
    for status in sorted(_refusals(route)):
        written = protocol.render_problem(Problem(status=status, kind="", title="", detail=""))
        yield str(written.status_code), _response(f"{STATUS_TITLES[status]}.", status, problem)


def _refusals(route: Route) -> set[int]:
    statuses = {500, 503}
    if not route.is_public:
        statuses.add(401)
    if "{" in route.path or "model" in route.query or route.body is not None:
        statuses.add(404)
    if "task" in route.query:
        statuses |= {400, 422}
    return statuses if route.body is None else statuses.union(_READING)


def _response(description: str, status: int, content: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": {"required": True, "schema": _TEXT}, **_HEADERS.get(status, {})}
    response: dict[str, Any] = {"description": description, "headers": headers}
    return {**response, "content": content} if content else response
