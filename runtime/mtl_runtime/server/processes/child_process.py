"""One child as its parent sees it: started, serving, ended."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from mtl_runtime.errors import CheckFailedError, MtlError
from mtl_runtime.server.processes.channel import Channel, Handlers
from mtl_runtime.server.processes.place import Place

__all__ = ["ChildProcess"]


class ChildProcess:
    """A process that answers, and the channel to it; made by :meth:`start`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.failure: MtlError | None = None  # why it cannot serve, as it said itself
        self.is_serving = False
        self._settled = asyncio.Event()
        self._began = time.monotonic()
        self._process: asyncio.subprocess.Process
        self._channel: Channel
        self._end: asyncio.Task[None]

    @classmethod
    async def start(cls, command: Sequence[str], place: Place, handlers: Handlers) -> "ChildProcess":
        """Start a child; it is not serving yet.

        Args:
            command: of a program that takes ``--place`` with a :class:`Place`.
            place: without the channel, which is made here.
            handlers: what the child may ask its parent for.

        Raises:
            MtlError: the system starts no process.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            child = cls(replace(place, channel=theirs.fileno()))
            try:
                child._process = await asyncio.create_subprocess_exec(
                    *command,
                    "--place",
                    str(child.place),
                    pass_fds=child.place.sockets,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
                    stdin=asyncio.subprocess.DEVNULL,
                    process_group=0,  # Ctrl-C reaches the parent alone, which ends its children in order
                )
            except OSError as error:
                ours.close()
                raise MtlError(f"no child process can be started: {error}") from error
        own: Handlers = {"serving": child._note_serving, "failed": child._note_failure}
        child._channel = await Channel.open(ours, {**own, **handlers})
        child._end = asyncio.create_task(child._watch())
        return child

    @property
    def is_alive(self) -> bool:
        """It has not ended."""
        return self._process.returncode is None

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._began

    @property
    def channel(self) -> Channel:
        """To ask it something, once it serves."""
        return self._channel

    async def wait_settled(self) -> None:
        """Wait until it serves, or has ended."""
        await self._settled.wait()

    async def wait(self) -> None:
        """Wait for its end."""
        await asyncio.shield(self._end)

    def stop(self) -> None:
        """Let it answer what is under way, and end; a second time: do not wait for that."""
        if self.is_serving:
            self._channel.tell("stop")
        else:
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    async def close(self) -> None:
        """Kill it, if it is alive."""
        self.kill()
        await self._end
        await self._channel.close()

    def describe_end(self) -> str:
        """The exit code or the signal that ended it."""
        code = self._process.returncode or 0
        if code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
        return f"killed by signal {-code}"

    async def _watch(self) -> None:
        await self._process.wait()
        await self._channel.wait_closed()  # what it said before
        self._settled.set()

    async def _note_serving(self) -> None:
        self.is_serving = True
        self._settled.set()

    async def _note_failure(self, why: str, exit_code: int) -> None:
        kind = CheckFailedError if exit_code == CheckFailedError.exit_code else MtlError
        self.failure = kind(why)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
