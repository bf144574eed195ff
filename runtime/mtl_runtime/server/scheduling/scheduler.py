"""Requests of an event loop -> jobs of worker threads -> futures of the loop.

A free worker takes what waits at once, so a lone request waits for nothing; while all workers are busy, requests
gather, and the next job holds texts of many. No timer is needed to fill batches.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.inference.requests import Result
from mtl_runtime.server.failures import DeadlineError, NotReadyError, OverloadedError
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.observability.tracing import Tracing
from mtl_runtime.server.scheduling.compute import Answers, Failure, compute_job
from mtl_runtime.server.scheduling.fair_queue import FairQueue, Job
from mtl_runtime.server.scheduling.throughput import Throughput
from mtl_runtime.server.scheduling.ticket import Ticket
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["Scheduler"]

_log = logging.getLogger(__name__)


class Scheduler:
    """Answers requests with worker threads that share all cores among all models.

    Args:
        workers: threads, each with one job at a time.
        limits: of the queue.
        loop: in whose thread requests come and are answered.
        metrics: told how long requests wait.
        tracing: told what was computed.
    """

    def __init__(
        self,
        workers: int,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        metrics: Metrics,
        tracing: Tracing | None = None,
    ) -> None:
        self._limits, self._loop, self._metrics = limits, loop, metrics
        self.tracing = tracing or Tracing()
        self._queue, self._throughput = FairQueue(), Throughput(workers)
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"mtl-serve-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting_texts(self) -> int:
        """Texts that no worker has taken yet."""
        return self._queue.texts

    @property
    def waiting_tokens(self) -> int:
        """Tokens that they will probably have."""
        return self._queue.tokens

    @property
    def oldest_seconds(self) -> float:
        """How long the request that came first has waited; 0 if none waits."""
        with self._changed:
            oldest = self._queue.oldest
        return 0.0 if oldest is None else time.monotonic() - oldest

    async def compute(
        self,
        model: ServedModel,
        texts: Sequence[str] | Sequence[TokenizedText],
        tasks: Sequence[TaskSpec],
        *,
        embed: bool,
        deadline: float,
    ) -> Result:
        """Answers to ``texts``, which are valid. If the awaiting task is cancelled, those that wait are not computed.

        Args:
            model: answers them.
            texts: any number.
            tasks: that predictions answer; may be none.
            embed: compute embeddings too.
            deadline: as :func:`time.monotonic` counts.

        Raises:
            OverloadedError: the queue is full, or too slow for this request.
            DeadlineError: the deadline passed before the answers were complete.
            NotReadyError: the scheduler is closed.
            Exception: what the computation raised, about this request's texts alone.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        ticket = Ticket(
            model=model,
            texts=texts,
            tasks=tasks,
            embed=embed,
            deadline=deadline,
            future=future,
            trace=self.tracing.current(),
        )
        if not texts:
            ticket.answer(0, (), None)
        else:
            self._admit(ticket)
        timer = self._loop.call_later(max(0.0, deadline - time.monotonic()), _expire, ticket)
        try:
            return await future
        finally:
            timer.cancel()

    def close(self) -> None:
        """Answer what waits, and end the workers."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _admit(self, ticket: Ticket) -> None:
        with self._changed:
            if self._closing:
                raise NotReadyError("the server is shutting down")
            self._require_room()
            self._queue.put(ticket)
            self._changed.notify()

    def _require_room(self) -> None:
        waiting, wait = self._queue.texts, self._throughput.seconds(self._queue.tokens)
        if waiting >= self._limits.max_queued_texts:
            raise OverloadedError(f"{waiting} texts are waiting", math.ceil(max(1.0, wait)))
        if wait > self._limits.max_queue_seconds:
            raise OverloadedError(f"the queue is {wait:.1f} s long", math.ceil(wait))

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            self._observe_waits(job)
            started = time.perf_counter()
            outcomes = compute_job(job)
            seconds = time.perf_counter() - started
            self._throughput.observe(job.tokens, seconds)
            self._call_in_loop(partial(_deliver, outcomes))
            self.tracing.record_job(job, outcomes, seconds)

    def _observe_waits(self, job: Job) -> None:
        now = time.monotonic()
        for ticket, start, _ in job.slices:
            if start == 0:
                self._metrics.observe_wait(now - ticket.arrived)

    def _next_job(self) -> Job | None:
        with self._changed:
            while True:
                job, late = self._queue.take(len(self._threads))
                if late:
                    self._call_in_loop(partial(_expire, *late))
                if job is not None or self._closing:
                    return job
                self._changed.wait()

    def _call_in_loop(self, work: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:  # the loop is closed, and with it everything that waited
            _log.debug("answers came after the end of the event loop")


def _expire(*tickets: Ticket) -> None:
    for ticket in tickets:
        ticket.fail(DeadlineError("the answer was not ready before the deadline of the request"))


def _deliver(outcomes: Sequence[Answers | Failure]) -> None:
    for outcome in outcomes:
        ticket, start, _ = outcome.slice
        if isinstance(outcome, Failure):
            ticket.fail(outcome.error)
        else:
            ticket.answer(start, outcome.predictions, outcome.embeddings)
