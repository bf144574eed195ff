"""bundles and settings -> a server that runs until it is told to stop."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial

from mtl_runtime.errors import MissingPackageError
from mtl_runtime.loading.load import load
from mtl_runtime.server.http.application import Application
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.http.listen import HttpServer, allow_open_files, bind
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.protocols import choose_protocols, health
from mtl_runtime.server.protocols.admin import admin_protocol
from mtl_runtime.server.reload import Reloader
from mtl_runtime.server.scheduling.scheduler import Scheduler
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.service import Service
from mtl_runtime.server.settings import Address, BundleSource, ServerSettings

__all__ = ["run_server"]

_log = logging.getLogger(__name__)
_WARM_UP_TEXT = "Warm up."


def run_server(settings: ServerSettings) -> None:
    """Load the bundles, listen, and return once the server was told to stop and has answered what was under way.

    Raises:
        MtlError: a bundle cannot be loaded, the address cannot be listened on, or packages for gRPC are missing.
    """
    if settings.grpc_port is not None:
        _require_grpc()
    allow_open_files(settings.limits.max_connections)
    keys = ApiKeys.read(settings.api_keys) if settings.api_keys else ApiKeys()
    models = [_open_model(settings, name, source) for name, source in settings.bundles.items()]
    asyncio.run(_run(settings, ModelTable(models, settings.splits), keys))


def _open_model(settings: ServerSettings, name: str, source: BundleSource, *, isolate: bool = False) -> ServedModel:
    """Load a bundle, which tests itself where it must, and answer a first text with it.

    Args:
        settings: with options of the load.
        name: that clients use.
        source: folder and variant.
        isolate: let a child process open it first, since a crash would end the server and all that it answers.

    Raises:
        MtlError: it cannot be loaded, or does not answer.
    """
    classifier = load(source.path, variant=source.variant, isolate=isolate, **settings.load_options)
    classifier(_WARM_UP_TEXT)
    return ServedModel(name=name, classifier=classifier)


async def _run(settings: ServerSettings, models: ModelTable, keys: ApiKeys) -> None:
    metrics, limits = Metrics(), settings.limits
    workers = max(model.classifier.settings.execution.workers for model in models)
    scheduler = Scheduler(workers, limits, asyncio.get_running_loop(), metrics)
    service = Service(models, limits, scheduler, metrics, settings.shadows)
    reloader = Reloader(settings.bundles, models, partial(_open_model, settings, isolate=True), metrics)
    protocols = choose_protocols(page_data=settings.has_page_data, local_pages=settings.is_for_local_pages)
    main = HttpServer(Application(service, protocols, keys), settings.address, limits)
    async with _background() as background:
        if settings.admin is not None:
            admin_routes = (admin_protocol(reloader), health.PROTOCOL)
            admin = HttpServer(Application(service, admin_routes, keys), settings.admin, limits)
            background.append(asyncio.create_task(admin.serve(_listen(settings.admin, "admin"))))
        if settings.watch:
            background.append(asyncio.create_task(reloader.watch()))
        # Whoever reads that the server listens may send a signal at once.
        with _signals(service, main, reloader):
            listener = _listen(settings.address, ", ".join(models.names))
            async with _grpc(service, keys, settings):
                await main.serve(listener)
    await asyncio.to_thread(scheduler.close)


def _listen(address: Address, what: str) -> socket.socket:
    listener = bind(address)
    _log.info("serving %s at %s", what, address.of(listener))
    return listener


@asynccontextmanager
async def _background() -> AsyncIterator[list[asyncio.Task[None]]]:
    """Tasks that end with the block."""
    tasks: list[asyncio.Task[None]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _signals(service: Service, server: HttpServer, reloader: Reloader) -> Iterator[None]:
    """SIGTERM and SIGINT end readiness, then the server; a second one does so at once. SIGHUP reloads all bundles."""
    loop, reloads = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def stop() -> None:
        _log.info("stopping: %d requests are being answered", service.requests)
        service.is_stopping = True
        server.stop()

    def reload() -> None:
        task = loop.create_task(reloader.reload_all())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    handlers = {"SIGTERM": stop, "SIGINT": stop, "SIGHUP": reload}
    numbers = {getattr(signal, name): handle for name, handle in handlers.items() if hasattr(signal, name)}
    for number, handle in numbers.items():
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


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
        _log.info("serving gRPC at %s, port %d", address.host, port)
        yield
