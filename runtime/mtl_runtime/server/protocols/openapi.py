"""Routes and their types -> the OpenAPI document at /openapi.json."""

import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.responses import Response

from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.protocols.predict_api import render_problem

__all__ = ["openapi_document", "openapi_protocol"]

_REFERENCE = "#/components/schemas/{name}"


def openapi_document(protocols: Iterable[Protocol]) -> dict[str, Any]:
    """The document of OpenAPI 3.1 for these routes."""
    protocols = tuple(protocols)
    types = {kind for protocol in protocols for kind in _types(protocol)}
    schemas, components = msgspec.json.schema_components(sorted(types, key=str), ref_template=_REFERENCE)
    by_type = dict(zip(sorted(types, key=str), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for protocol in protocols:
        for route in protocol.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, protocol, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "mtl-export", "version": version("mtl-export")},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def openapi_protocol(described: Iterable[Protocol]) -> Protocol:
    """The route of the document, which describes these protocols and itself."""

    async def show_document(_: Call) -> Response:
        """The OpenAPI document of this server."""
        return json_response(document())

    own = Protocol(
        name="openapi", routes=(Route("GET", "/openapi.json", show_document),), render_problem=render_problem
    )
    everything = (*described, own)

    @cache
    def document() -> Mapping[str, Any]:
        return openapi_document(everything)

    return own


def _types(protocol: Protocol) -> Iterable[type]:
    kinds = [protocol.problem_type, *(kind for route in protocol.routes for kind in (route.body, route.answer))]
    return (kind for kind in kinds if kind is not None)


def _operation(route: Route, protocol: Protocol, schemas: Mapping[type, Any]) -> dict[str, Any]:
    name = getattr(route.handler, "__name__", "answer")
    path = re.sub(r"\W+", "_", route.path).strip("_")
    operation: dict[str, Any] = {
        "operationId": f"{protocol.name}_{name}_{route.method.lower()}_{path}",
        "summary": (inspect.getdoc(route.handler) or "").partition("\n")[0],
        "tags": [protocol.name],
        "responses": {
            "200": {"description": "The answer.", **_content(route.answer, "application/json", schemas)},
            "default": {
                "description": "Why there is no answer.",
                **_content(protocol.problem_type, protocol.problem_media_type, schemas),
            },
        },
        "security": [] if route.is_public else [{"key": []}, {}],
    }
    if parameters := re.findall(r"{(\w+)}", route.path):
        operation["parameters"] = [
            {"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}
            for parameter in parameters
        ]
    if route.body is not None:
        operation["requestBody"] = {"required": True, **_content(route.body, "application/json", schemas)}
    return operation


def _content(kind: type | None, media_type: str, schemas: Mapping[type, Any]) -> dict[str, Any]:
    return {} if kind is None else {"content": {media_type: {"schema": schemas[kind]}}}
