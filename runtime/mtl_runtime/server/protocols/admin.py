"""What operators ask on the admin address: reload a bundle; metrics and probes are there too."""

from starlette.responses import Response

from mtl_runtime.errors import MtlError
from mtl_runtime.server.failures import BundleRefusedError, ForbiddenError, UnknownModelError
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
        if call.header("origin") is not None:
            raise ForbiddenError("browsers must not reload bundles, since any page could let them; use curl")
        try:
            model = await reloader.reload(call.parameters["model"])
        except UnknownModelError:
            raise
        except (MtlError, OSError) as error:
            raise BundleRefusedError(f"the old version goes on answering: {error}") from error
        return json_response(model_version(model))

    return Protocol(
        name="admin",
        routes=(Route("POST", "/admin/models/{model}/reload", reload_model, answer=ModelVersion),),
        render_problem=render_problem,
        problem_type=ProblemDetails,
        problem_media_type=PROBLEM_MEDIA_TYPE,
    )
