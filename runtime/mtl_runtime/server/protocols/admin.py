"""What operators ask on the admin address: reload a bundle or the API keys; metrics and probes are there too."""

from starlette.responses import Response

from mtl_runtime.server.failures import ForbiddenError
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.json import json_response
from mtl_runtime.server.http.routes import Protocol, Route
from mtl_runtime.server.protocols.predict_api import PROBLEM_MEDIA_TYPE, render_problem
from mtl_runtime.server.protocols.predict_bodies import model_version
from mtl_runtime.server.protocols.predict_types import ModelVersion, ProblemDetails
from mtl_runtime.server.reload import Reloader

__all__ = ["admin_protocol"]


def admin_protocol(reloader: Reloader) -> Protocol:
    """Routes over a reloader."""

    async def reload_model(call: Call) -> Response:
        """Load a model's bundle again; the answer comes once the new version answers, or says why it does not."""
        _refuse_browsers(call)
        name = call.parameters["model"]
        model = await reloader.reload(name)
        await call.service.siblings.reload_model(name)
        return json_response(model_version(model))

    async def reload_keys(call: Call) -> Response:
        """Read the file of API keys again; how many there are now, those of the environment included."""
        _refuse_browsers(call)
        keys = reloader.reload_keys()
        await call.service.siblings.reload_keys()
        return json_response({"keys": keys})

    return Protocol(
        name="admin",
        routes=(
            Route("POST", "/admin/models/{model}/reload", reload_model, answer=ModelVersion),
            Route("POST", "/admin/api-keys/reload", reload_keys),
        ),
        render_problem=render_problem,
        problem_type=ProblemDetails,
        problem_media_type=PROBLEM_MEDIA_TYPE,
    )


def _refuse_browsers(call: Call) -> None:
    """Refuse what a form or script of some page sends: a browser adds the header that others do not have."""
    if call.header("origin") is not None:
        raise ForbiddenError("browsers must not reload anything, since any page could let them; use curl")
