"""Chunks of a request's body -> its bytes, decompressed, never more than the limit."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.types import Receive

from mtl_runtime.server.failures import (
    BadRequestError,
    BodyTooLargeError,
    ClientGoneError,
    OverloadedError,
    SlowClientError,
    UnsupportedEncodingError,
)

__all__ = ["BufferedBytes", "read_body", "read_chunks"]

_FREE_BYTES = 64 * 1024  # of each body, so that large ones keep no small one out

# zlib's window sizes: gzip, and zlib's own format, which HTTP calls deflate.
_DECOMPRESSORS: Mapping[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS),
    "x-gzip": lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS),
    "deflate": lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS),
}


class BufferedBytes:
    """Memory of the bodies that are coming, of all requests together.

    Args:
        limit: bytes, not counting the first 64 KiB of each body.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes = limit, 0

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """Make place for one body until the end of the block; the function takes the size that it has by now.

        Raises:
            OverloadedError: the function, if there is no place for more.
        """
        held = 0

        def hold_size(size: int) -> None:
            nonlocal held
            more = max(0, size - _FREE_BYTES) - held
            if more and self._bytes + more > self._limit:
                raise OverloadedError(f"bodies of {self._bytes} bytes are coming", 1)
            held, self._bytes = held + more, self._bytes + more

        try:
            yield hold_size
        finally:
            self._bytes -= held


async def read_chunks(receive: Receive, *, seconds: float | None = None) -> AsyncIterator[bytes]:
    """The body as it comes.

    Args:
        receive: of ASGI.
        seconds: that may pass between two chunks; default: any, since the connection has a deadline of its own.

    Raises:
        ClientGoneError: the connection was closed before the end.
        SlowClientError: nothing came in time.
    """
    while True:
        try:
            message = await asyncio.wait_for(receive(), seconds) if seconds is not None else await receive()
        except TimeoutError:
            raise SlowClientError(f"nothing came for {seconds:g} s") from None
        if message["type"] == "http.disconnect":
            raise ClientGoneError("the client closed the connection before the end of its request")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def read_body(
    receive: Receive, *, limit: int, buffered: BufferedBytes, encoding: str | None, declared: str | None
) -> bytes:
    """Read and decompress a body.

    Args:
        receive: of ASGI.
        limit: bytes, before and after decompression.
        buffered: of all bodies.
        encoding: the header Content-Encoding.
        declared: the header Content-Length, so that what is too long is refused before it comes.

    Raises:
        BodyTooLargeError: it is longer than the limit.
        OverloadedError: too much is coming already.
        UnsupportedEncodingError: neither gzip nor deflate.
        BadRequestError: it cannot be decompressed.
        ClientGoneError: the connection was closed before its end.
    """
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise BodyTooLargeError(limit)
    content = bytearray()
    with buffered.hold() as hold_size:
        async for chunk in read_chunks(receive):
            hold_size(len(content) + len(chunk))
            content += chunk
            if len(content) > limit:
                raise BodyTooLargeError(limit)
    body, name = bytes(content), (encoding or "identity").strip().lower()
    return body if name == "identity" else _decompress(body, name, limit)


def _decompress(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding not in _DECOMPRESSORS:
        raise UnsupportedEncodingError(f"content encoding {encoding[:40]!r} is not known here; use gzip or deflate")
    decompressor = _DECOMPRESSORS[encoding]()
    try:
        content: bytes = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise BadRequestError(f"the body is no {encoding}: {error}") from None
    if len(content) > limit:
        raise BodyTooLargeError(limit)
    if not decompressor.eof or decompressor.unused_data:
        raise BadRequestError(f"the body is not one whole {encoding} stream")
    return content
