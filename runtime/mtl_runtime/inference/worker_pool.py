"""pieces of work from any number of callers -> their results, at most so many at once.

Work that has one piece runs in the caller's own thread, which saves the hand-over; many pieces go to threads that
start when they are first needed and end with the object.
"""

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from mtl_runtime.core.fork_hooks import reset_after_fork

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["WorkerPool"]

T = TypeVar("T")

# Asynchronous calls under way at the same time; further ones wait for their turn.
_CALLERS = 32


class _Permit:
    """Leave to run one piece of work; it goes back to its queue even if nobody gives it back.

    An exception from a signal handler may be raised between taking a slot and entering the block that frees it.
    """

    def __init__(self, queue: "SimpleQueue[_Permit]") -> None:
        self._queue = weakref.ref(queue)

    def free(self) -> None:
        if (queue := self._queue()) is not None:
            queue.put(self)

    def __del__(self) -> None:
        if (queue := self._queue()) is not None:
            queue.put(_Permit(queue))


class WorkerPool:
    """``count`` slots, shared by all threads of the process that use them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        """A child has none of the threads, and slots that were taken are never given back."""
        # A queue of free slots: threading's semaphore is written in Python, which a lone text would feel.
        self._slots: SimpleQueue[_Permit] = SimpleQueue()
        for _ in range(self.count):
            self._slots.put(_Permit(self._slots))
        self._starting = threading.Lock()
        self._started: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None

    def run_here(self, work: Callable[[], T]) -> T:
        """Do ``work`` in this thread as soon as a slot is free."""
        slot = self._slots.get()
        try:
            return work()
        finally:
            slot.free()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Have ``work`` done by another thread, in the order of submission."""
        return self._pools()[0].submit(self.run_here, work)

    async def run_async(self, work: Callable[[threading.Event], T]) -> T:
        """Have a whole call done beside the event loop; the event it is given is set where nobody awaits it any more.

        The call itself occupies no slot, only what it hands to :meth:`run` and :meth:`submit`.
        """
        import asyncio

        stop = threading.Event()
        try:
            return await asyncio.wrap_future(self._pools()[1].submit(work, stop))
        except asyncio.CancelledError:
            stop.set()
            raise

    def _pools(self) -> "tuple[ThreadPoolExecutor, ThreadPoolExecutor]":
        with self._starting:
            if self._started is None:
                from concurrent.futures import ThreadPoolExecutor  # a lone text needs none of its imports

                # Threads start when work waits for them; callers mostly wait for the workers.
                self._started = (
                    ThreadPoolExecutor(self.count, thread_name_prefix="mtl-worker"),
                    ThreadPoolExecutor(_CALLERS, thread_name_prefix="mtl-caller"),
                )
            return self._started
