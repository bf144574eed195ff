"""Address -> the socket that listens there; the files that connections need."""

import errno
import logging
import socket
from pathlib import Path

from mtl_runtime.errors import MtlError
from mtl_runtime.server.settings import Address

__all__ = ["BACKLOG", "SharedListener", "allow_open_files", "bind", "hold_port"]

_log = logging.getLogger(__name__)


BACKLOG = 2048  # connections that the system accepts before we do
_OTHER_FILES = 256  # graphs, pipes to children, connections of gRPC


def allow_open_files(connections: int) -> None:
    """Raise the soft limit of open files, which is often 1024, as far as so many connections need it and we may."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # asyncio accepts as many at once before it gets to close those that are too many.
    wanted = connections + BACKLOG + _OTHER_FILES
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
            listener = socket.create_server((address.host, address.port), family=_family(address), backlog=BACKLOG)
            # Connections inherit it; asyncio sets it only for sockets that say their protocol, which this one does not.
            # Without it, the body of an answer waits for the client to acknowledge the headers, some 40 ms.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        option = "--port" if address.unix_socket is None else "--unix-socket"
        raise MtlError(f"cannot listen on {address}: {error.strerror or error}; choose another {option}") from None
    listener.setblocking(False)
    return listener


def hold_port(address: Address) -> socket.socket:
    """Reserve the port of gRPC, on which several processes will listen, each with a socket of its own.

    Args:
        address: whose port may be 0, for any that is free.

    Raises:
        MtlError: somebody else listens there.
    """
    held = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        # Without SO_REUSEPORT first: with it, the port of another server of this user could be taken too.
        with socket.create_server((address.host, address.port), family=_family(address)) as probe:
            place = probe.getsockname()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(place)
    except OSError as error:
        held.close()
        where, why = f"{address.host}:{address.port}", error.strerror or error
        raise MtlError(f"cannot listen for gRPC on {where}: {why}; choose another --grpc-port") from None
    return held


class SharedListener(socket.socket):
    """A listening socket that other processes accept from, too.

    asyncio accepts as many connections at a time as the backlog that it is given, so the first process to wake would
    take all of a burst. It is given a backlog of 1, and this keeps the one of the system.
    """

    def listen(self, _backlog: int = 0, /) -> None:
        """Listen with the backlog that the socket has with one process, too."""
        super().listen(BACKLOG)


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET


def _bind_unix_socket(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and listener.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink()  # a server that has ended left it
        listener.close()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
