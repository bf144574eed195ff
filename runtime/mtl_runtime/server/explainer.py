"""text -> Explanations, computed outside the scheduler: few at a time, each in one thread, batch by batch."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.inference.explain import Explanation, explain
from mtl_runtime.server.failures import DeadlineError, OverloadedError
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.text.word_spans import Granularity

__all__ = ["Explainer"]

_RETRY_SECONDS = 1


class Explainer:
    """Explains answers without a queue: whoever finds no free place is refused, and asks again.

    An explanation runs the model for each word of its text, so among the jobs of the scheduler it would delay
    everybody. Here it has one thread, and the threads of all explanations are at most ``places``.

    Args:
        places: explanations at the same time.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = threading.Semaphore(places)
        self._threads = ThreadPoolExecutor(places, thread_name_prefix="mtl-explain")

    async def explain(
        self,
        model: ServedModel,
        text: str,
        tasks: Sequence[TaskSpec],
        *,
        labels: Mapping[str, str],
        by: Granularity,
        seconds: float,
    ) -> list[Explanation]:
        """Explain the answers of ``tasks`` about one valid text. If the awaiting task is cancelled, no batch follows.

        Args:
            model: whose answers they are.
            text: as far as the model reads it.
            tasks: each gives one explanation.
            labels: by task, the label to explain; default: the one answered.
            by: what is left out at once.
            seconds: until the explanation is worth nothing.

        Raises:
            OverloadedError: all places are taken.
            DeadlineError: it took longer.
            Exception: as :func:`mtl_runtime.inference.explain.explain`.
        """
        stop = threading.Event()
        work = self._start(lambda: explain(model.pipeline, text, tasks, labels=labels, by=by, stop=stop))
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(work)
        except TimeoutError:
            raise DeadlineError(
                f"the explanation was not ready within {seconds:g} s: it costs as much as answering as many texts as "
                f"the text has words; explain a shorter one"
            ) from None
        finally:
            stop.set()

    def _start(self, work: Callable[[], list[Explanation]]) -> Future[list[Explanation]]:
        if not self._free.acquire(blocking=False):
            raise OverloadedError(f"{self._places} explanations are being computed", _RETRY_SECONDS)
        future = self._threads.submit(work)
        # A place is free when its thread is, which may be a batch after its client has gone.
        future.add_done_callback(lambda _: self._free.release())
        return future
