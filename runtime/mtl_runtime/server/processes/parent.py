"""Start processes that serve, start others in their place if they end, and stop them all; no bundle is loaded here."""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.errors import MtlError
from mtl_runtime.server.page.invitation import invite_to_page
from mtl_runtime.server.processes.channel import ChannelError, Handlers
from mtl_runtime.server.processes.child_process import ChildProcess
from mtl_runtime.server.processes.place import Place, share_threads
from mtl_runtime.server.processes.sockets import ParentSockets
from mtl_runtime.server.settings import ServerSettings

__all__ = ["run_processes"]

_log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before a child is started again
_LONG_LIFE = 30.0  # seconds; the end of a child that lived so long says nothing about the next one
_METRICS_SECONDS = 2.0  # for a child to give its metrics
_KILL_SECONDS = 5.0  # beyond the time to drain


def run_processes(settings: ServerSettings, processes: int, command: Sequence[str]) -> None:
    """Listen, start the processes, and return once they were told to stop and have answered what was under way.

    Args:
        settings: those that the children read from the same command line.
        processes: how many.
        command: that starts one, to which ``--place`` and a :class:`Place` are added.

    Raises:
        MtlError: the address cannot be listened on, or a child cannot start and no other serves.
    """
    if sys.platform == "win32":
        raise MtlError("several processes share a listening socket, which Windows cannot; leave --processes out")
    sockets = ParentSockets.open(settings)
    try:
        asyncio.run(_Parent(settings, sockets, processes, command).run())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        sockets.close()


class _Parent:
    def __init__(
        self, settings: ServerSettings, sockets: ParentSockets, processes: int, command: Sequence[str]
    ) -> None:
        self._settings, self._sockets, self._command = settings, sockets, command
        threads = share_threads(settings.load_options.get("threads") or allowed_cores(), processes)
        self._places = [sockets.place(number, share) for number, share in enumerate(threads)]
        self._children: dict[int, ChildProcess] = {}
        self._is_announced = False
        self._stopping = asyncio.Event()
        self._turn = asyncio.Lock()  # one child reloads at a time

    async def run(self) -> None:
        """Fill all places until a signal ends the server."""
        with self._signals():
            async with asyncio.TaskGroup() as group:
                settled = [asyncio.Event() for _ in self._places]
                for place, event in zip(self._places, settled, strict=True):
                    group.create_task(self._fill(place, event))
                    if place.number == 0:
                        # Alone at first: what is wrong is said once, and what it compiles is cached for the others.
                        await event.wait()
                for event in settled:
                    await event.wait()
                if not self._stopping.is_set():
                    self._announce()

    async def _fill(self, place: Place, settled: asyncio.Event) -> None:
        """Start a child, and another one when it ends."""
        pause = 0.0
        while not self._stopping.is_set():
            child = await ChildProcess.start(self._command, place, self._handlers(place.number))
            self._children[place.number] = child
            try:
                if self._stopping.is_set():
                    child.stop()
                await child.wait_settled()
                if child.is_serving:
                    settled.set()
                await child.wait()
            finally:
                await child.close()
            if not self._stopping.is_set():
                pause = 0.0 if child.age > _LONG_LIFE else pause
                self._report_end(child, pause)
                await self._pause(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause or _FIRST_PAUSE)
        settled.set()

    def _report_end(self, child: ChildProcess, pause: float) -> None:
        """Say in the log that a child has ended.

        Raises:
            MtlError: it could not start, and no other one serves or may yet; or the server itself is just starting.
        """
        number, end = child.place.number, child.describe_end()
        if child.is_serving:
            _log.error("process %d ended (%s); another one takes its place in %.1f s", number, end, pause)
            return
        why = child.failure or MtlError(f"a process ended before it served ({end}); what it wrote to stderr says why")
        if not self._is_announced or not any(other.is_alive for other in self._children.values()):
            raise why
        _log.error("process %d cannot start, the others go on answering; next try in %.1f s: %s", number, pause, why)

    def _announce(self) -> None:
        self._is_announced = True
        for line in self._sockets.describe():
            _log.info("serving %s", line)
        invite_to_page(self._settings.address.of(self._sockets.main))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _handlers(self, number: int) -> Handlers:
        return {"reload_others": partial(self._reload_others, number), "metrics": partial(self._gather_metrics, number)}

    def _others(self, number: int | None) -> list[ChildProcess]:
        """Children that serve, in the order of their numbers, but for the one that asks."""
        return [
            child
            for other, child in sorted(self._children.items())
            if other != number and child.is_serving and child.is_alive
        ]

    async def _reload_others(self, number: int | None, what: str, **facts: Any) -> None:
        failures = []
        async with self._turn:
            for child in self._others(number):
                try:
                    await child.channel.ask(what, **facts)
                except ChannelError as error:
                    # One that ends meanwhile is replaced by one that reads what is new.
                    if child.is_alive:
                        failures.append(f"process {child.place.number}: {error}")
        if failures:
            raise MtlError("not all processes could reload: " + "; ".join(failures))

    async def _gather_metrics(self, number: int) -> dict[str, str]:
        others = self._others(number)
        asked = [child.channel.ask("metrics", seconds=_METRICS_SECONDS) for child in others]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        pairs = zip(others, answers, strict=True)
        return {str(child.place.number): text for child, text in pairs if isinstance(text, str)}

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the children, a second one at once; SIGHUP lets one after the other reload."""
        loop, reloads = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        def reload() -> None:
            task = loop.create_task(self._reload_others(None, "reload_all"))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        handlers = {signal.SIGTERM: self._stop, signal.SIGINT: self._stop, signal.SIGHUP: reload}
        for number, handle in handlers.items():
            loop.add_signal_handler(number, handle)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self._stopping.set()
        self._sockets.close()  # connections that came now would wait for nobody
        for child in self._children.values():
            child.stop()
        seconds = self._settings.limits.drain_seconds + _KILL_SECONDS
        asyncio.get_running_loop().call_later(seconds, self._kill)

    def _kill(self) -> None:
        for child in self._children.values():
            if child.is_alive:
                _log.error("process %d is killed: it did not end in time", child.place.number)
                child.kill()
