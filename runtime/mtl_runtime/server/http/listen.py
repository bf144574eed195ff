"""Application -> a process that listens: uvicorn with our deadlines and a bounded shutdown."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from functools import partial
from typing import cast

import uvicorn

from mtl_runtime.errors import MtlError
from mtl_runtime.server.http.application import Application
from mtl_runtime.server.http.connection import DeadlineConnection, sweep_connections
from mtl_runtime.server.http.sockets import BACKLOG
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.settings import Address

__all__ = ["HttpServer"]


class _Server(uvicorn.Server):
    """uvicorn sets signal handlers of its own, and raises the signals again after a clean shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Answers on one listening socket.

    Args:
        application: answers.
        address: with the certificate, if there is one.
        limits: deadlines of connections, and of the shutdown.
        is_shared: other processes accept from the same socket; see :class:`SharedListener`.
    """

    def __init__(self, application: Application, address: Address, limits: Limits, *, is_shared: bool = False) -> None:
        self._limits = limits
        config = _config(application, address, limits)
        config.backlog = 1 if is_shared else BACKLOG
        self._server = _Server(config)

    async def serve(self, listener: socket.socket) -> None:
        """Answer until :meth:`stop`; then answer what is under way, and return."""
        sweeper = asyncio.create_task(sweep_connections(self._server.server_state.connections, self._limits))
        try:
            await self._server.serve([listener])
        finally:
            sweeper.cancel()

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._server.server_state.connections)

    def stop(self) -> None:
        """Take no further connections; a second time: do not wait for what is under way."""
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True


def _config(application: Application, address: Address, limits: Limits) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.private_key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        http=cast("type[asyncio.Protocol]", partial(DeadlineConnection, limits=limits, idle={})),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=round(limits.idle_seconds),
        timeout_graceful_shutdown=round(limits.drain_seconds),
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        raise MtlError(f"the certificate {address.certificate} and its key cannot be used: {error}") from None
    return config
