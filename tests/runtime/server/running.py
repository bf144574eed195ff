"""A server in a thread of the test's process, and a client for it."""

import asyncio
import http.client
import json
import threading
from contextlib import asynccontextmanager
from pathlib import Path

from mtl_runtime.server.http.application import Application
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.http.listen import HttpServer
from mtl_runtime.server.http.sockets import bind
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.protocols import PROTOCOLS, health
from mtl_runtime.server.protocols.admin import admin_protocol
from mtl_runtime.server.reload import Reloader
from mtl_runtime.server.scheduling.scheduler import Scheduler
from mtl_runtime.server.service import Service
from mtl_runtime.server.settings import Address, BundleSource

TIMEOUT = 20


class RunningServer:
    """Listens on a free port from ``with`` on; ``workers=0`` computes nothing, so that requests stay in the queue."""

    def __init__(
        self,
        models,
        *,
        limits=None,
        keys=(),
        workers=2,
        shadows=(),
        grpc=False,
        tracing=None,
        admin=False,
        protocols=PROTOCOLS,
    ):
        self._models, self._keys, self._workers, self._shadows = models, ApiKeys(keys), workers, shadows
        self._grpc, self._tracing, self._admin, self._protocols = grpc, tracing, admin, protocols
        self.limits = limits or Limits()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._started.wait(TIMEOUT)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.http.stop)  # as signals do in a process of its own
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()

    async def _serve(self):
        self.loop = asyncio.get_running_loop()
        metrics = Metrics()
        self.scheduler = Scheduler(self._workers, self.limits, self.loop, metrics, self._tracing)
        self.service = Service(ModelTable(self._models), self.limits, self.scheduler, metrics, self._shadows)
        address = Address(port=0)
        self.http = HttpServer(Application(self.service, self._protocols, self._keys), address, self.limits)
        listener = bind(address)
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        async with self._serve_grpc(), self._serve_admin(metrics):
            self._started.set()
            await self.http.serve(listener)
        await asyncio.to_thread(self.scheduler.close)

    @asynccontextmanager
    async def _serve_grpc(self):
        if not self._grpc:
            yield
            return
        from mtl_runtime.server.protocols.open_inference.grpc_server import serve_grpc

        async with serve_grpc(self.service, self._keys, Address(port=0)) as self.grpc_port:
            yield

    @asynccontextmanager
    async def _serve_admin(self, metrics):
        """On a port of its own; a reload finds every model as it is."""
        if not self._admin:
            yield
            return
        models = {model.name: model for model in self._models}
        sources = {name: BundleSource(Path(model.classifier.source.bundle)) for name, model in models.items()}
        reloader = Reloader(sources, self.service.models, lambda name, _: models[name], metrics, self._keys)
        protocols, address = (admin_protocol(reloader), health.PROTOCOL), Address(port=0)
        server = HttpServer(Application(self.service, protocols, self._keys), address, self.limits)
        listener = bind(address)
        self.admin_port = listener.getsockname()[1]
        serving = asyncio.create_task(server.serve(listener))
        try:
            yield
        finally:
            server.stop()
            await serving

    def ask(self, method, path, body=None, **headers):
        """Status, headers and body (JSON where it says so) of one request; underscores of header names are dashes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            sent = json.dumps(body).encode() if isinstance(body, dict | list) else body
            connection.request(method, path, sent, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        is_json = (response.headers.get("content-type") or "").endswith(("/json", "+json"))
        return response.status, response.headers, json.loads(content) if is_json else content

    def predict(self, **body):
        """The answer to POST /v1/predict, which must be 200."""
        status, _, answer = self.ask("POST", "/v1/predict", body)
        assert status == 200, answer
        return answer
