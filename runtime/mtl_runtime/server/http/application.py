"""Service -> the ASGI application: find the route, check the key, answer; errors become the protocol's own."""

import logging
import time
from collections.abc import Iterable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.http.body import BufferedBytes
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.http.routes import Protocol, RouteTable
from mtl_runtime.server.observability.request_log import log_request
from mtl_runtime.server.problems import Problem
from mtl_runtime.server.service import Service

__all__ = ["Application"]

_log = logging.getLogger(__name__)


class Application:
    """Everything that the server answers over HTTP.

    Args:
        service: computes the answers.
        protocols: that clients speak; errors at unknown paths are written as the first of them does.
        keys: that clients need, except for probes.
    """

    def __init__(self, service: Service, protocols: Iterable[Protocol], keys: ApiKeys) -> None:
        self.service = service
        self._table, self._keys = RouteTable(protocols), keys
        self._buffered = BufferedBytes(service.limits.max_buffered_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of ASGI."""
        if scope["type"] != "http":
            return
        call = Call(scope, receive, self.service, self._buffered)
        with self.service.tracing.request(call):
            await self._respond(call, scope, receive, send)

    async def _respond(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            response = await self._answer(call)
        except Exception as error:  # noqa: BLE001 - a client sees no traceback
            response = self._refuse(error, call)
        response.headers["X-Request-Id"] = call.request_id
        call.status = response.status_code
        try:
            await response(scope, receive, send)
        finally:
            self._note(call, time.perf_counter() - started)

    async def _answer(self, call: Call) -> Response:
        match = self._table.find(call.method, call.path)
        call.route = match.route.path
        if not match.route.is_public:
            self._keys.check(call)
        call.parameters = match.parameters
        return await match.route.handler(call)

    def _refuse(self, error: Exception, call: Call) -> Response:
        problem = Problem.of(error)
        self.service.metrics.count_refusal(problem.kind)
        if problem.status == 500:
            _log.error("request %s failed", call.request_id, exc_info=error)
        response = self._table.protocol_of(call.method, call.path).render_problem(problem)
        response.headers.update(problem.headers)
        return response

    def _note(self, call: Call, seconds: float) -> None:
        self.service.metrics.count_request(call.route, call.status, seconds)
        log_request(
            request_id=call.request_id,
            method=call.method,
            path=call.path,
            code=call.status,
            seconds=seconds,
            texts=call.texts,
        )
