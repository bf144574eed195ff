"""One keep-alive connection of HTTP/1.1 on asyncio; what a load generator needs and no more."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["HOST", "Connection", "Request", "Response"]

HOST = "127.0.0.1"
_MOST_HEADER_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Request:
    """A POST with a JSON body."""

    path: str
    body: Any

    def encode(self, headers: Mapping[str, str] | None = None) -> bytes:
        """All its bytes."""
        content = json.dumps(self.body).encode()
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {HOST}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


@dataclass(frozen=True, slots=True)
class Response:
    """Status and body."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Connection:
    """A connection that sends one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a port of this machine.

        Raises:
            OSError: nobody listens there.
        """
        return cls(*await asyncio.open_connection(HOST, port, limit=_MOST_HEADER_BYTES))

    async def send(self, request: bytes) -> Response:
        """Send the bytes of a request, and wait for all of the answer, which must have a Content-Length.

        Raises:
            OSError, asyncio.IncompleteReadError: the server closed the connection.
        """
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, *headers = head.decode("latin-1").split("\r\n")
        lengths = [int(line.split(":")[1]) for line in headers if line.lower().startswith("content-length:")]
        return Response(int(status.split()[1]), await self._reader.readexactly(lengths[0]))

    def close(self) -> None:
        """Drop the connection, whatever is under way."""
        self._writer.close()
