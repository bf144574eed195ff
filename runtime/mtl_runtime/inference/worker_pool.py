"""Worker threads that all callers of a classifier share: at most so many batches run at once.

Work of one batch runs in the caller's own thread, which saves the hand-over; several batches go to threads that
start when they are first needed and end with the pool.
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
    """Permission to run one batch; it returns to its queue even if nobody returns it.

    A signal handler may raise between taking a permit and entering the block that frees it.
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
    """``count`` permits, shared by all threads of the process that use the pool."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        """A child has none of the threads, and permits that were taken never return."""
        # A queue of permits: threading's semaphore is written in Python, which a lone text would feel.
        self._permits: SimpleQueue[_Permit] = SimpleQueue()
        for _ in range(self.count):
            self._permits.put(_Permit(self._permits))
        self._starting = threading.Lock()
        self._started: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None

    def run_here(self, work: Callable[[], T]) -> T:
        """Do ``work`` in this thread as soon as a permit is free."""
        permit = self._permits.get()
        try:
            return work()
        finally:
            permit.free()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Have ``work`` done by another thread, in the order of submission."""
        return self._pools()[0].submit(self.run_here, work)

    async def run_async(self, work: Callable[[threading.Event], T]) -> T:
        """Run a whole call outside the event loop; the event that it gets is set once nobody awaits it any more.

        The call itself holds no permit, only what it hands to :meth:`run_here` and :meth:`submit`.
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
