"""The other processes of a server as a child sees them: it asks them through its parent."""

import asyncio
import os
import select
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mtl_runtime.server.failures import ReloadError
from mtl_runtime.server.observability.process_metrics import merge_metrics
from mtl_runtime.server.processes.channel import Channel, ChannelError, Handlers
from mtl_runtime.server.processes.place import Place

__all__ = ["Siblings", "end_with_parent"]

_METRICS_SECONDS = 5.0  # for the parent, which waits for each of the others a shorter time


class Siblings:
    """Asks the other processes; without any, as in a server of one process, nothing happens.

    Args:
        place: of this process; None: it is the only one.
    """

    def __init__(self, place: Place | None = None) -> None:
        self.place = place
        self._channel: Channel | None = None

    @asynccontextmanager
    async def connect(self, handlers: Handlers) -> AsyncIterator[None]:
        """Tell the parent that this process serves, and answer what it asks, until the end of the block."""
        if self.place is None:
            yield
            return
        self._channel = await Channel.open(self.place.open_channel(), handlers)
        self._channel.tell("serving")
        try:
            yield
        finally:
            channel, self._channel = self._channel, None
            await channel.close()

    async def reload_model(self, model: str) -> None:
        """Let each of them load a model again, one after the other.

        Raises:
            ReloadError: some could not; the message names them.
        """
        await self._ask("reload_model", model=model)

    async def reload_keys(self) -> None:
        """Let each of them read the API keys again.

        Raises:
            ReloadError: some could not.
        """
        await self._ask("reload_keys")

    async def add_metrics(self, own: bytes) -> bytes:
        """The metrics of this process -> those of all, with the number of the process as a label of each."""
        if self._channel is None or self.place is None:
            return own
        try:
            others = await self._channel.ask("metrics", seconds=_METRICS_SECONDS)
        except ChannelError:  # the parent has gone, and this process will follow
            others = {}
        return await asyncio.to_thread(merge_metrics, {**others, str(self.place.number): own.decode()})

    async def _ask(self, what: str, **facts: Any) -> None:
        if self._channel is None:
            return
        try:
            await self._channel.ask("reload_others", what=what, **facts)
        except ChannelError as error:
            raise ReloadError(str(error)) from error


def end_with_parent(place: Place) -> None:
    """Send this process SIGTERM once its parent has ended, in whatever way.

    A thread waits for that, since the event loop does not run yet while bundles are loaded.
    """
    poll = select.poll()
    poll.register(place.channel, 0)  # a hang-up is reported always

    def wait() -> None:
        poll.poll()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="mtl-end-with-parent", daemon=True).start()
