"""A process that serves in the place that its parent gave it."""

import json
import os
from dataclasses import replace

from mtl_runtime.errors import MtlError
from mtl_runtime.server.processes.place import Place
from mtl_runtime.server.processes.siblings import Siblings, end_with_parent
from mtl_runtime.server.run import run_server
from mtl_runtime.server.settings import ServerSettings

__all__ = ["run_child"]


def run_child(settings: ServerSettings, place: Place) -> None:
    """Serve as :func:`run_server` does, with the sockets and the threads of the place, until the parent ends it.

    Raises:
        SystemExit: it cannot serve; the parent knows why, and says it once.
    """
    end_with_parent(place)
    options = {**settings.load_options, "threads": place.threads}
    try:
        run_server(replace(settings, load_options=options, grpc_port=place.grpc_port), Siblings(place))
    except MtlError as error:
        message = {"ask": "failed", "facts": {"why": str(error), "exit_code": error.exit_code}}
        os.write(place.channel, json.dumps(message).encode() + b"\n")
        raise SystemExit(error.exit_code) from None
