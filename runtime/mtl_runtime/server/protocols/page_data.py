"""What the page shows of a bundle besides answers: example sentences and the page of its evidence."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import wraps
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response

from mtl_runtime.errors import MtlError
from mtl_runtime.evidence.schema import Evidence
from mtl_runtime.report.page_frame import security_policy, shared_style
from mtl_runtime.server.failures import ForbiddenError, NotFoundError
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Handler, Protocol, Route
from mtl_runtime.server.page.evidence import find_evidence, render_evidence
from mtl_runtime.server.page.examples import read_examples
from mtl_runtime.server.protocols.predict_api import PROBLEM_MEDIA_TYPE, render_problem
from mtl_runtime.server.protocols.predict_types import ProblemDetails
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.settings import Address

__all__ = ["PROTOCOL", "page_data_for_local_pages"]

_log = logging.getLogger(__name__)


class ModelExamples(msgspec.Struct):
    """What the page shows of one model."""

    name: str
    examples: list[str]
    evidence: bool  # there is a page of it


class ExamplesResponse(msgspec.Struct):
    """Body of the answer to GET /ui/models."""

    models: list[ModelExamples]


async def show_models(call: Call) -> Response:
    """Example sentences of each model, and whether there is evidence of it."""
    models = [await asyncio.to_thread(_describe, model) for model in call.service.models]
    return json_response(ExamplesResponse(models))


async def show_evidence(call: Call) -> Response:
    """The evidence page of a model."""
    model = call.service.models.get(call.parameters["model"])
    page = await asyncio.to_thread(_render, model)
    return Response(page, headers=_headers(), media_type="text/html")


def _describe(model: ServedModel) -> ModelExamples:
    try:
        examples = read_examples(model.classifier.source.bundle, model.digest)
    except (MtlError, OSError) as error:
        _log.warning("no examples of %s: %s", model.name, error)
        examples = ()
    return ModelExamples(model.name, list(examples), _find(model) is not None)


def _render(model: ServedModel) -> str:
    evidence = _find(model)
    if evidence is None:
        raise NotFoundError(f"nothing was measured of {model.name}; `mtl verify` on its folder does so")
    return render_evidence(model, evidence)


def _find(model: ServedModel) -> Evidence | None:
    try:
        return find_evidence(model)
    except (MtlError, OSError) as error:
        _log.warning("no evidence of %s: %s", model.name, error)
        return None


def _headers() -> Mapping[str, str]:
    return {
        "Content-Security-Policy": f"{security_policy(shared_style())}; frame-ancestors 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


PROTOCOL = Protocol(
    name="page_data",
    routes=(
        Route("GET", "/ui/models", show_models, answer=ExamplesResponse),
        Route("GET", "/ui/evidence/{model}", show_evidence, media_types=("text/html",)),
    ),
    render_problem=render_problem,
    problem_type=ProblemDetails,
    problem_media_type=PROBLEM_MEDIA_TYPE,
)


def page_data_for_local_pages() -> Protocol:
    """The protocol for a server whose loopback address alone keeps strangers out.

    A page from elsewhere reaches it in a browser of this machine by a name that leads to 127.0.0.1 (DNS rebinding), and
    a proxy brings requests of others. Both send the name that they were asked by, which is not one of this machine.
    """
    return replace(
        PROTOCOL, routes=tuple(replace(route, handler=_for_local(route.handler)) for route in PROTOCOL.routes)
    )


def _for_local(handler: Handler) -> Handler:
    @wraps(handler)
    async def answer(call: Call) -> Response:
        host = call.header("host") or ""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if not Address(host=name).is_local:
            raise ForbiddenError(
                f"sentences of the bundles are shown only to whoever asks by an address of this machine, not by "
                f"{host[:80]!r}; --page-data shows them to all who can ask"
            )
        return await handler(call)

    return answer
