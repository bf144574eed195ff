"""bundles and settings -> a server that runs until it is told to stop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtl_runtime.errors import MissingPackageError
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.load import load
from mtl_runtime.server.http.application import Application
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.http.listen import HttpServer, bind
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.protocols import PROTOCOLS
from mtl_runtime.server.scheduling.scheduler import Scheduler
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.service import Service
from mtl_runtime.server.settings import ServerSettings

__all__ = ["run_server"]

_log = logging.getLogger(__name__)
_WARM_UP_TEXT = "Warm up."


def run_server(settings: ServerSettings) -> None:
    """Load the bundles, listen, and return once the server was told to stop and has answered what was under way.

    Raises:
        MtlError: a bundle cannot be loaded, or packages for gRPC are missing.
        OSError: the address cannot be listened on.
    """
    if settings.grpc_port is not None:
        _require_grpc()
    keys = ApiKeys.read(settings.api_keys) if settings.api_keys else ApiKeys()
    models = ModelTable(open_model(name, path, settings.load_options) for name, path in settings.bundles.items())
    asyncio.run(_run(models, settings, keys))


def open_model(name: str, path: Path, options: Mapping[str, Any]) -> ServedModel:
    """Load a bundle, which tests itself where it must, and answer a first text with it.

    Raises:
        MtlError: it cannot be loaded, or does not answer.
    """
    classifier: Classifier = load(path, **options)
    classifier(_WARM_UP_TEXT)
    return ServedModel(name=name, classifier=classifier)


async def _run(models: ModelTable, settings: ServerSettings, keys: ApiKeys) -> None:
    workers = max(model.classifier.settings.execution.workers for model in models)
    scheduler = Scheduler(workers, settings.limits, asyncio.get_running_loop())
    service = Service(models, settings.limits, scheduler)
    application = Application(service, PROTOCOLS, keys)
    server = HttpServer(application, settings.address, settings.limits)
    listener = bind(settings.address)
    try:
        _log.warning("serving %s at %s", ", ".join(model.name for model in models), settings.address.of(listener))
        async with _grpc(service, keys, settings):
            await server.serve(listener)
    finally:
        await asyncio.to_thread(scheduler.close)


def _require_grpc() -> None:
    try:
        import grpc  # noqa: F401
        import grpc_health  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("--grpc-port needs grpcio; run `pip install 'mtl-export[grpc]'`") from error


@asynccontextmanager
async def _grpc(service: Service, keys: ApiKeys, settings: ServerSettings) -> AsyncIterator[None]:
    """Answer over gRPC as long as over HTTP, if there is a port for it."""
    if settings.grpc_port is None:
        yield
        return
    from mtl_runtime.server.protocols.open_inference.grpc_server import serve_grpc

    address = replace(settings.address, port=settings.grpc_port, unix_socket=None)
    async with serve_grpc(service, keys, address) as port:
        _log.warning("serving gRPC at %s, port %d", address.host, port)
        yield
