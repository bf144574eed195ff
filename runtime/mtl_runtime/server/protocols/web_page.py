"""The page for people: /ui, and / for a browser; other clients find the names of the routes at /."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.responses import RedirectResponse, Response

from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.page.files import PAGE_PARTS, page_media_type, read_page_file
from mtl_runtime.server.protocols.predict_api import PROBLEM_MEDIA_TYPE, render_problem
from mtl_runtime.server.protocols.predict_types import ProblemDetails

__all__ = ["PROTOCOL"]

_ROUTES = {
    "page": "GET /ui",
    "predict": "POST /v1/predict",
    "explain": "POST /v1/explain",
    "tasks": "GET /v1/tasks",
    "info": "GET /v1/info",
    "ready": "GET /v2/health/ready",
    "everything": "GET /openapi.json",
}


class Overview(msgspec.Struct):
    """What a client finds that does not read HTML."""

    models: list[str]
    routes: dict[str, str]


def _send(name: str) -> Callable[[Call], Awaitable[Response]]:
    async def send_file(call: Call) -> Response:
        """The file, or only that it has not changed."""
        file = read_page_file(name)
        known = [tag.strip().removeprefix("W/") for tag in (call.header("if-none-match") or "").split(",")]
        if file.etag in known:
            return Response(status_code=304, headers=file.headers)
        return Response(file.content, headers=file.headers, media_type=file.media_type)

    return send_file


_send_page = _send("page.html")


async def show_root(call: Call) -> Response:
    """The page for whoever reads HTML, the names of the routes for others."""
    if "text/html" in (call.header("accept") or ""):
        response = await _send_page(call)
    else:
        response = json_response(Overview([model.name for model in call.service.models], _ROUTES))
    response.headers["Vary"] = "Accept"
    return response


async def leave_out_slash(_: Call) -> Response:
    """The page names its files relative to its own address, so that it works behind a proxy's prefix."""
    return RedirectResponse("../ui", status_code=308)


async def show_no_icon(_: Call) -> Response:
    """Browsers ask for an icon, and are content without."""
    return Response(status_code=204, headers={"Cache-Control": "max-age=86400"})


PROTOCOL = Protocol(
    name="web_page",
    routes=(
        Route("GET", "/", show_root, is_public=True, answer=Overview, media_types=("application/json", "text/html")),
        Route("GET", "/ui", _send_page, is_public=True, media_types=("text/html",)),
        Route("GET", "/ui/", leave_out_slash, is_public=True, media_types=(), status=308),
        Route("GET", "/favicon.ico", show_no_icon, is_public=True, media_types=(), status=204),
        *(
            Route("GET", f"/ui/{name}", _send(name), is_public=True, media_types=(page_media_type(name),))
            for name in PAGE_PARTS
        ),
    ),
    render_problem=render_problem,
    problem_type=ProblemDetails,
    problem_media_type=PROBLEM_MEDIA_TYPE,
)
