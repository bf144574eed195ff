"""Routes and their types -> the OpenAPI document at /openapi.json."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.responses import Response

from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.protocols.openapi_operation import describe_operation
from mtl_runtime.server.protocols.predict_api import PROBLEM_MEDIA_TYPE, render_problem
from mtl_runtime.server.protocols.predict_types import ProblemDetails

__all__ = ["openapi_document", "openapi_protocol"]

_REFERENCE = "#/components/schemas/{name}"


def openapi_document(protocols: Iterable[Protocol]) -> dict[str, Any]:
    """The document of OpenAPI 3.1 for these routes."""
    protocols = tuple(protocols)
    types = sorted({kind for protocol in protocols for kind in _types(protocol)}, key=str)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for protocol in protocols:
        for route in protocol.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = describe_operation(route, protocol, by_type)
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
        name="openapi",
        routes=(Route("GET", "/openapi.json", show_document, answer=dict[str, Any]),),
        render_problem=render_problem,
        problem_type=ProblemDetails,
        problem_media_type=PROBLEM_MEDIA_TYPE,
    )
    everything = (*described, own)

    @cache
    def document() -> Mapping[str, Any]:
        return openapi_document(everything)

    return own


def _types(protocol: Protocol) -> Iterable[Any]:
    kinds = [protocol.problem_type, *(kind for route in protocol.routes for kind in (route.body, route.answer))]
    return (kind for kind in kinds if kind is not None)
