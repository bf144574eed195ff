"""Work for a client ends when the client closes the connection."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from mtl_runtime.server.failures import ClientGoneError

__all__ = ["unless_gone"]

T = TypeVar("T")


async def unless_gone(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """The result of ``work``, which is cancelled if the client closes the connection meanwhile.

    Args:
        work: is awaited in this task.
        receive: of ASGI, after the whole body was read.

    Raises:
        ClientGoneError: the client has gone.
    """
    task = asyncio.current_task()
    has_gone = False

    def cancel(watcher: "asyncio.Task[Any]") -> None:
        nonlocal has_gone
        if waiting and task is not None and not watcher.cancelled():
            has_gone = True
            task.cancel()

    waiting = True
    watcher: asyncio.Task[Any] = asyncio.create_task(_receive(receive))
    watcher.add_done_callback(cancel)
    try:
        return await work
    except asyncio.CancelledError:
        if not has_gone or task is None:
            raise
        task.uncancel()
        raise ClientGoneError("the client closed the connection before the answer") from None
    finally:
        waiting = False
        watcher.cancel()


async def _receive(receive: Receive) -> Any:
    return await receive()
