"""Questions between two processes, both ways at once: a line of JSON each, over a socket pair."""

import asyncio
import itertools
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mtl_runtime.errors import MtlError

__all__ = ["Channel", "ChannelError", "Handlers"]

_LONGEST_LINE = 2**26  # bytes; metrics of many models and routes are some ten thousand

Handlers = Mapping[str, Callable[..., Awaitable[Any]]]


class ChannelError(MtlError):
    """The other process could not do what it was asked, did not answer in time, or has ended."""


class Channel:
    """One end of a connection; the other end answers with handlers of its own.

    Args:
        reader: of the socket.
        writer: of the socket.
        handlers: what the other end may ask for, by name; each takes the facts as keywords and gives what JSON holds.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Handlers) -> None:
        self._reader, self._writer, self._handlers = reader, writer, handlers
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, connection: socket.socket, handlers: Handlers) -> "Channel":
        """A channel over one of two connected sockets."""
        reader, writer = await asyncio.open_connection(sock=connection, limit=_LONGEST_LINE)
        return cls(reader, writer, handlers)

    def tell(self, what: str, /, **facts: Any) -> None:
        """Ask without waiting for an answer; nothing happens if the other end has gone."""
        self._write({"ask": what, "facts": facts})

    async def ask(self, what: str, /, *, seconds: float | None = None, **facts: Any) -> Any:
        """What the other end answers.

        Args:
            what: name of one of its handlers.
            seconds: to wait; None: as long as it lives.
            facts: for the handler.

        Raises:
            ChannelError: it gave no answer; the message is its error's.
        """
        number = next(self._numbers)
        if self._reading.done():
            raise ChannelError("the process has ended")
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        self._write({"ask": what, "facts": facts, "id": number})
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise ChannelError(f"the process did not answer within {seconds} s") from None
        finally:
            del self._asked[number]

    async def wait_closed(self) -> None:
        """Wait until the other end is closed and all that it said is read."""
        await asyncio.wait([self._reading])

    async def close(self) -> None:
        """Close this end."""
        self._reading.cancel()
        self._writer.close()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                self._take(json.loads(line))
        except ConnectionError:
            pass  # the other process was killed
        finally:
            for future in self._asked.values():
                if not future.done():
                    future.set_exception(ChannelError("the process has ended"))

    def _take(self, message: dict[str, Any]) -> None:
        if "ask" in message:
            task = asyncio.create_task(self._answer(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif (future := self._asked.get(message["id"])) is not None and not future.done():
            if "error" in message:
                future.set_exception(ChannelError(message["error"]))
            else:
                future.set_result(message["answer"])

    async def _answer(self, message: dict[str, Any]) -> None:
        try:
            reply = {"answer": await self._handlers[message["ask"]](**message["facts"])}
        except (MtlError, OSError) as error:
            reply = {"error": str(error)}
        if "id" in message:
            self._write({"id": message["id"], **reply})

    def _write(self, message: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")
