"""A connection of uvicorn with deadlines: whoever is slow to send, to read or to ask again is let go.

uvicorn (0.54) waits without limit for the headers, the body and the first request of a connection, and for a client
that does not read its answer.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mtl_runtime.server.http.call import LIFT_DEADLINE
from mtl_runtime.server.limits import Limits

__all__ = ["DeadlineConnection", "close_late_connections", "sweep_connections"]

_MAX_HEADER_BYTES = 64 * 1024
_SWEEP_SECONDS = 0.5
_REPLIES = {
    408: b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
}


class DeadlineConnection(HttpToolsProtocol):
    """Notes since when it waits for its client; :func:`close_late_connections` acts on it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.receiving_since: float | None = None  # the headers or the body, or a first request
        self.writing_since: float | None = None  # an answer that the client does not read
        self._header_bytes = 0
        self._in_headers = False
        self._in_body = False
        self._has_deadline = True

    def _lift_deadline(self) -> None:
        """Let the application itself look after the time that the rest of this body takes."""
        self._has_deadline, self.receiving_since = False, None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.receiving_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        if self.receiving_since is None and self._has_deadline:
            self.receiving_since = self.loop.time()
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > _MAX_HEADER_BYTES:
                self.refuse(431)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._in_headers, self._header_bytes, self._has_deadline = True, 0, True
        super().on_message_begin()
        extensions: dict[str, Any] = {LIFT_DEADLINE: self._lift_deadline}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        self._in_headers, self._in_body = False, True
        self.receiving_since = self.loop.time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.receiving_since, self._in_body, self._has_deadline = None, False, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        # A body that nobody reads any more is let come for a while: a client that sends sees its answer only then.
        if self._in_body and not self.transport.is_closing():
            self.receiving_since, self._has_deadline = self.loop.time(), True
        super().on_response_complete()

    def pause_writing(self) -> None:
        self.writing_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.writing_since = None
        super().resume_writing()

    def refuse(self, status: int) -> None:
        """Close the connection, with an answer if the request that is coming has none."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if not self._in_body or cycle is None or not cycle.response_started:
            self.transport.write(_REPLIES[status])
        self.transport.close()


def close_late_connections(connections: Iterable[Any], now: float, limits: Limits) -> int:
    """Let go of clients that are too slow; returns how many.

    Args:
        connections: of a uvicorn server.
        now: the time of its event loop.
        limits: how long a client may take.
    """
    late = 0
    for connection in list(connections):
        if not isinstance(connection, DeadlineConnection):
            continue
        if connection.writing_since is not None and now - connection.writing_since > limits.receive_seconds:
            connection.transport.abort()
            late += 1
        elif connection.receiving_since is not None and now - connection.receiving_since > limits.receive_seconds:
            connection.refuse(408)
            late += 1
    return late


async def sweep_connections(connections: Iterable[Any], limits: Limits) -> None:
    """Close late connections until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        close_late_connections(connections, loop.time(), limits)
