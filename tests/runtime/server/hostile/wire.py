"""Bytes of HTTP on a socket: what clients would not let a test send, and every answer that comes back."""

import http.client
import io
import socket
from dataclasses import dataclass

SECONDS = 5  # within which everything hostile is answered


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    is_whole: bool

    @property
    def media_type(self):
        return (self.headers.get("content-type") or "").partition(";")[0]


def request(method, path, body=None, headers=(), *, version="1.1", close=True):
    """A request as it should be, except for what its parts hold; headers are lines of bytes or pairs."""
    head = [f"{method} ".encode() + (path if isinstance(path, bytes) else path.encode()) + f" HTTP/{version}".encode()]
    lines = [line if isinstance(line, bytes) else f"{line[0]}: {line[1]}".encode() for line in headers]
    if not any(line.lower().startswith(b"host:") for line in lines):
        head.append(b"Host: 127.0.0.1")
    if close:
        head.append(b"Connection: close")
    if body is not None and not any(
        line.lower().startswith((b"content-length", b"transfer-encoding")) for line in lines
    ):
        head.append(f"Content-Length: {len(body)}".encode())
    return b"\r\n".join([*head, *lines, b"", b""]) + (body or b"")


def chunked(*chunks, end=b"0\r\n\r\n"):
    """A body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def exchange(port, *parts):
    """Send the parts of a stream; every answer until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it had come
        return list(_split(_read_all(connection)))


def _read_all(connection):
    content = b""
    try:
        while chunk := connection.recv(1 << 16):
            content += chunk
    except ConnectionResetError:
        pass
    return content


class _Replay(io.BytesIO):
    """What a socket received, for several responses, of which each would close it."""

    def makefile(self, _mode):
        return self

    def close(self):
        pass


def _split(content):
    stream = _Replay(content)
    while stream.tell() < len(content):
        response = http.client.HTTPResponse(stream)
        response.begin()
        try:
            body, is_whole = response.read(), True
        except http.client.IncompleteRead as error:
            body, is_whole = error.partial, False
        yield Answer(response.status, response.headers, body, is_whole)
