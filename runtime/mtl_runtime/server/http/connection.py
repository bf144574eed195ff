"""A connection of uvicorn with deadlines and limits: whoever is slow to send, to read or to ask again is let go.

uvicorn (0.54) waits without limit for the headers, the body and the first request of a connection, and for a client
that does not read its answer. It keeps whatever stands around a body (trailers, names of chunks) and any number of
requests that come before their turn, and drops the body of a request that offers to speak another protocol.
"""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mtl_runtime.server.http.call import LIFT_DEADLINE
from mtl_runtime.server.limits import Limits

__all__ = ["DeadlineConnection", "close_late_connections", "sweep_connections"]

_MAX_HEADER_BYTES = 64 * 1024  # of a request, and of what comes between two bytes of its body
_MAX_PIPELINED = 100  # requests of a connection that wait for their turn
_SWEEP_SECONDS = 0.5
_REPLIES = {
    400: "this is not HTTP/1.1\n",
    408: "the request did not come in time\n",
    431: f"the headers have more than {_MAX_HEADER_BYTES} bytes\n",
    503: "there are too many connections\n",
}


class _HeadersTooLongError(Exception):
    """Raised inside of the parser, which ends with it."""


class DeadlineConnection(HttpToolsProtocol):
    """Notes since when it waits for its client; :func:`close_late_connections` acts on it.

    Args:
        limits: of a server; at most ``max_connections`` are open at the same time.
        idle: connections of the server without a request, the one that is idle for the longest time first.
    """

    def __init__(self, *args: Any, limits: Limits, idle: "dict[DeadlineConnection, None]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.receiving_since: float | None = None  # the headers or the body, or a first request
        self.writing_since: float | None = None  # an answer that the client does not read
        self._max_connections, self._idle = limits.max_connections, idle
        self._header_bytes = 0  # of the request that is coming
        self._framing_bytes = 0  # that came since the last byte of a body, or the end of a request
        self._in_body = False
        self._has_deadline = True
        self._is_upgrade = False  # the request that is coming offers another protocol

    def _lift_deadline(self) -> None:
        """Let the application itself look after the time that the rest of this body takes."""
        self._has_deadline, self.receiving_since = False, None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.receiving_since = self.loop.time()
        self._idle[self] = None
        if len(self.connections) > self._max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.pop(self, None)
        super().connection_lost(exc)

    def _make_room(self) -> None:
        """Let the connection go that is idle for the longest time; if there is no other one, this."""
        longest = next(iter(self._idle))
        del self._idle[longest]
        if longest is self:
            self.refuse(503)
        else:
            self.connections.discard(longest)
            longest.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._idle.pop(self, None)
        if self.receiving_since is None and self._has_deadline:
            self.receiving_since = self.loop.time()
        self._unset_keepalive_if_required()
        self._framing_bytes += len(data)
        try:
            while data and not self.transport.is_closing():
                data = self._feed(data)
        except httptools.HttpParserError as error:
            self.refuse(431 if isinstance(error.__context__, _HeadersTooLongError) else 400)
        if self._framing_bytes > _MAX_HEADER_BYTES:
            self.refuse(431)

    def _feed(self, data: bytes) -> bytes:
        """Parse what came; of a request that offers another protocol, its head and the rest, to be parsed again.

        The parser takes what follows such a head for that protocol. RFC 9110 lets a server ignore the offer.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            lines = [b"%s: %s\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
            version = self.parser.get_http_version().encode()
            head = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n", *lines, b"\r\n"]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            return b"".join([*head, data[upgrade.args[0] :]])
        return b""

    def on_message_begin(self) -> None:
        self._header_bytes, self._has_deadline, self._is_upgrade = 0, True, False
        super().on_message_begin()
        extensions: dict[str, Any] = {LIFT_DEADLINE: self._lift_deadline}
        self.scope["extensions"] = extensions

    def on_url(self, url: bytes) -> None:
        self._header_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._header_bytes > _MAX_HEADER_BYTES:
            raise _HeadersTooLongError
        self._is_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if self._is_upgrade:
            return
        if len(self.pipeline) >= _MAX_PIPELINED:
            self.transport.close()
            return
        self._in_body = True
        self.receiving_since = self.loop.time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            self._framing_bytes = 0
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_upgrade or self.transport.is_closing():
            return
        self._header_bytes = self._framing_bytes = 0
        self.receiving_since, self._in_body, self._has_deadline = None, False, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if not self.transport.is_closing():
            # A body that nobody reads any more is let come for a while: a client that sends sees its answer only then.
            if self._in_body:
                self.receiving_since, self._has_deadline = self.loop.time(), True
            elif not self.pipeline:
                self._idle[self] = None
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
            self.transport.write(_reply(status))
        self.transport.close()


def _reply(status: int) -> bytes:
    text, retry = _REPLIES[status], "retry-after: 1\r\n" if status == 503 else ""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
    return f"{head}{retry}content-length: {len(text)}\r\nconnection: close\r\n\r\n{text}".encode()


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
