"""bundles and settings -> a server that runs until it is told to stop."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from mtl_runtime.errors import MissingPackageError
from mtl_runtime.loading.load import load
from mtl_runtime.server.http.application import Application
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.http.listen import HttpServer
from mtl_runtime.server.http.sockets import allow_open_files, bind
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.observability.open_tracing import open_tracing
from mtl_runtime.server.page.invitation import invite_to_page
from mtl_runtime.server.processes.channel import Handlers
from mtl_runtime.server.processes.siblings import Siblings
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


def run_server(settings: ServerSettings, siblings: Siblings | None = None) -> None:
    """Load the bundles, listen, and return once the server was told to stop and has answered what was under way.

    Args:
        settings: of the server.
        siblings: the other processes of the server; None: this is the only one.

    Raises:
        MtlError: a bundle cannot be loaded, the address cannot be listened on, or packages for gRPC are missing.
    """
    if settings.grpc_port is not None:
        _require_grpc()
    allow_open_files(settings.limits.max_connections)
    keys = ApiKeys(settings.environment_keys, settings.api_keys)
    models = [_open_model(settings, name, source) for name, source in settings.bundles.items()]
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(settings, ModelTable(models, settings.splits), keys, siblings or Siblings()))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop of uvloop, which leaves more of a core to the model than asyncio's; there is none for Windows."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


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


async def _run(settings: ServerSettings, models: ModelTable, keys: ApiKeys, siblings: Siblings) -> None:
    metrics, limits, place = Metrics(), settings.limits, siblings.place
    workers = max(model.classifier.settings.execution.workers for model in models)
    scheduler = Scheduler(workers, limits, asyncio.get_running_loop(), metrics, open_tracing())
    service = Service(models, limits, scheduler, metrics, settings.shadows, siblings)
    reloader = Reloader(settings.bundles, models, partial(_open_model, settings, isolate=True), metrics, keys)
    protocols = choose_protocols(page_data=settings.has_page_data, local_pages=settings.is_for_local_pages)
    main = HttpServer(Application(service, protocols, keys), settings.address, limits, is_shared=place is not None)
    async with _background() as background:
        if settings.admin is not None:
            admin_routes = (admin_protocol(reloader), health.PROTOCOL)
            admin = HttpServer(Application(service, admin_routes, keys), settings.admin, limits)
            listener = place.open_listener("admin") if place else _listen(settings.admin, "admin")
            background.append(asyncio.create_task(admin.serve(listener)))
        if settings.watch:
            background.append(asyncio.create_task(reloader.watch()))
        stop = partial(_stop, service, main)
        if place is None or place.number == 0:
            _explain_empty_page(settings)
        # Whoever reads that the server listens may send a signal at once.
        with _signals(service, stop, reloader, is_only=place is None):
            listener = place.open_listener("main") if place else _listen(settings.address, ", ".join(models.names))
            if place is None:
                invite_to_page(settings.address.of(listener))
            grpc = _grpc(service, keys, settings, is_shared=place is not None)
            async with grpc, siblings.connect(_parent_handlers(metrics, reloader, stop)):
                await main.serve(listener)
    await asyncio.to_thread(scheduler.close)
    await asyncio.to_thread(scheduler.tracing.close)


def _listen(address: Address, what: str) -> socket.socket:
    listener = bind(address)
    _log.info("serving %s at %s", what, address.of(listener))
    return listener


def _explain_empty_page(settings: ServerSettings) -> None:
    if settings.page_data is None and not settings.has_page_data:
        _log.info(
            "the page at /ui shows no sentences and no evidence of the bundles, since strangers may reach %s; "
            "API keys show them to those who have one, --page-data to all",
            settings.address.host,
        )


def _stop(service: Service, server: HttpServer) -> None:
    """End readiness, then the server; a second time, at once."""
    _log.info("stopping: %d requests are being answered", service.requests)
    service.is_stopping = True
    server.stop()


def _parent_handlers(metrics: Metrics, reloader: Reloader, stop: Callable[[], None]) -> Handlers:
    """What a parent asks its children for."""

    async def end() -> None:
        stop()

    async def reload_model(model: str) -> None:
        await reloader.reload(model)

    async def reload_keys() -> None:
        reloader.reload_keys()

    async def render_metrics() -> str:
        return metrics.render().decode()

    return {
        "stop": end,
        "reload_model": reload_model,
        "reload_keys": reload_keys,
        "reload_all": reloader.reload_all,
        "metrics": render_metrics,
    }


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
def _signals(service: Service, stop: Callable[[], None], reloader: Reloader, *, is_only: bool) -> Iterator[None]:
    """SIGTERM and SIGINT stop the server, and SIGHUP reloads everything.

    A second signal does not wait for what is under way. One of several processes leaves that to its parent: a service
    manager may signal both, and the parent passes the signal on.
    """
    loop, reloads = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def stop_once() -> None:
        if is_only or not service.is_stopping:
            stop()

    def reload() -> None:
        task = loop.create_task(reloader.reload_all())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    handlers = {"SIGTERM": stop_once, "SIGINT": stop_once, "SIGHUP": reload}
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
async def _grpc(service: Service, keys: ApiKeys, settings: ServerSettings, *, is_shared: bool) -> AsyncIterator[None]:
    """Answer over gRPC as long as over HTTP, if there is a port for it."""
    if settings.grpc_address is None:
        yield
        return
    from mtl_runtime.server.protocols.open_inference.grpc_server import serve_grpc

    async with serve_grpc(service, keys, settings.grpc_address, is_shared=is_shared) as port:
        if not is_shared:
            _log.info("serving gRPC at %s, port %d", settings.grpc_address.host, port)
        yield
