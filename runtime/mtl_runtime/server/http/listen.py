"""Application -> a process that listens: uvicorn with our deadlines and a bounded shutdown."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import uvicorn

from mtl_runtime.errors import MtlError
from mtl_runtime.server.http.application import Application
from mtl_runtime.server.http.connection import DeadlineConnection, sweep_connections
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.settings import Address

__all__ = ["HttpServer", "allow_open_files", "bind"]

_log = logging.getLogger(__name__)

_BACKLOG = 2048  # connections that the system accepts before we do
_OTHER_FILES = 256  # graphs, pipes to children, connections of gRPC


def allow_open_files(connections: int) -> None:
    """Raise the soft limit of open files, which is often 1024, as far as so many connections need it and we may."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # asyncio accepts as many at once before it gets to close those that are too many.
    wanted = connections + _BACKLOG + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        _log.warning("only %d files may be open, which %d connections may exceed; raise the limit", hard, connections)
        wanted = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bind(address: Address) -> socket.socket:
    """Open the listening socket.

    Raises:
        MtlError: somebody else listens there, or the address is not one of this machine.
    """
    try:
        if address.unix_socket is not None:
            listener = _bind_unix_socket(address.unix_socket)
        else:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            listener = socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
            # Connections inherit it. asyncio sets it only on sockets that were made for TCP by its number. Without it
            # the body of an answer waits up to 40 ms until the client acknowledges the headers.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        option = "--port" if address.unix_socket is None else "--unix-socket"
        raise MtlError(f"cannot listen on {address}: {error.strerror or error}; choose another {option}") from None
    listener.setblocking(False)
    return listener


def _bind_unix_socket(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and listener.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink()  # a server that has ended left it
        listener.close()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


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
    """

    def __init__(self, application: Application, address: Address, limits: Limits) -> None:
        self._limits = limits
        self._server = _Server(_config(application, address, limits))

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
