"""texts, tasks, options -> answers: the one function under every protocol."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.inference.explain import Explanation
from mtl_runtime.inference.requests import Result
from mtl_runtime.server.explainer import Explainer
from mtl_runtime.server.failures import BadRequestError, NotReadyError, OverloadedError, TooManyTextsError
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.processes.siblings import Siblings
from mtl_runtime.server.scheduling.scheduler import Scheduler
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.settings import Shadow
from mtl_runtime.server.shadow import ShadowTraffic
from mtl_runtime.server.token_ids import read_token_ids
from mtl_runtime.text.validation import validate_texts
from mtl_runtime.text.word_spans import Granularity

__all__ = ["Service"]


class Service:
    """Models, limits and the scheduler behind every adapter of a protocol.

    Args:
        models: that answer.
        limits: of requests and of the queue.
        scheduler: computes.
        metrics: count what happens.
        shadows: who answers along, to be compared.
        siblings: the other processes of the server.
    """

    def __init__(
        self,
        models: ModelTable,
        limits: Limits,
        scheduler: Scheduler,
        metrics: Metrics,
        shadows: Sequence[Shadow] = (),
        siblings: Siblings | None = None,
    ) -> None:
        self.models, self.limits, self.scheduler, self.metrics = models, limits, scheduler, metrics
        metrics.watch(lambda: self.requests, scheduler, models)
        self._shadows = ShadowTraffic(shadows, models, scheduler, metrics)
        self.siblings = siblings or Siblings()
        self._explainer = Explainer(limits.max_explanations)
        self.tracing = scheduler.tracing
        self.requests = 0  # that are being answered
        self.is_stopping = False

    async def predict(
        self,
        model: ServedModel,
        texts: Sequence[str],
        *,
        tasks: Iterable[str] | None = None,
        embed: bool = False,
        timeout: float | None = None,
    ) -> Result:
        """Answer ``tasks`` for each text, as the library does, together with the texts of other requests.

        Args:
            model: one of the service's models.
            texts: at most ``limits.max_texts``.
            tasks: default: all of the model; none only with ``embed``.
            embed: give embeddings, too.
            timeout: seconds that the client waits; never more than ``limits.request_seconds``.

        Raises:
            TooManyTextsError, InvalidTextError, UnknownTaskError, BadRequestError: the client's mistake.
            OverloadedError, NotReadyError, DeadlineError: not now, or too late.
            NonFiniteError, ComputationError: the model's fault.
        """
        specs = _find_tasks(model, tasks, embed=embed)
        self._check_count(texts)
        valid = validate_texts(texts, max_text_bytes=self.limits.max_text_bytes)
        seconds = self._seconds(timeout)
        with self._place():
            deadline = time.monotonic() + seconds
            result = await self.scheduler.compute(model, valid, specs, embed=embed, deadline=deadline)
        self._shadows.compare(model, valid, specs, result.predictions)
        return result

    async def embed_token_ids(
        self, model: ServedModel, texts: Sequence[Sequence[int]], *, timeout: float | None = None
    ) -> Result:
        """Embeddings of texts that are tokenized already; the predictions of the result answer no tasks.

        Args:
            model: one of the service's models.
            texts: the token ids of each, special ones included; at most ``limits.max_texts``.
            timeout: as in :meth:`predict`.

        Raises:
            TooManyTextsError, InvalidTextError: the client's mistake.
            OverloadedError, NotReadyError, DeadlineError: not now, or too late.
            NonFiniteError, ComputationError: the model's fault.
        """
        self._check_count(texts)
        tokenized = read_token_ids(
            texts, vocabulary_size=model.vocabulary_size, max_length=model.classifier.encoder.max_length
        )
        deadline = time.monotonic() + self._seconds(timeout)
        with self._place():
            return await self.scheduler.compute(model, tokenized, (), embed=True, deadline=deadline)

    async def explain(
        self,
        model: ServedModel,
        text: str,
        *,
        tasks: Iterable[str] | None = None,
        labels: Mapping[str, str] | None = None,
        by: Granularity = "word",
        timeout: float | None = None,
    ) -> list[Explanation]:
        """How much each word of ``text`` adds to the answers of ``tasks``, all of them for the cost of one.

        Args:
            model: one of the service's models.
            text: costs as much as answering as many texts of its length as it has words.
            tasks: default: all of the model.
            labels: by task, the label whose probability is explained; default: the one answered.
            by: what is left out at once.
            timeout: as in :meth:`predict`.

        Raises:
            InvalidTextError, UnknownTaskError, UnknownLabelError: the client's mistake.
            OverloadedError, NotReadyError, DeadlineError: not now, or too late.
            NonFiniteError, ComputationError: the model's fault.
        """
        specs = model.classifier.task_specs(tasks)
        (valid,) = validate_texts([text], max_text_bytes=self.limits.max_text_bytes)
        with self._place():
            return await self._explainer.explain(
                model, valid, specs, labels=labels or {}, by=by, seconds=self._seconds(timeout)
            )

    @property
    def is_ready(self) -> bool:
        """New requests are welcome."""
        return not self.is_stopping

    def _check_count(self, texts: Sequence[object]) -> None:
        if len(texts) > self.limits.max_texts:
            raise TooManyTextsError(len(texts), self.limits.max_texts)

    def _seconds(self, timeout: float | None) -> float:
        return self.limits.request_seconds if timeout is None else min(timeout, self.limits.request_seconds)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the ``limits.max_requests`` places.

        Raises:
            OverloadedError: none is free.
            NotReadyError: the server is stopping.
        """
        if self.is_stopping:
            raise NotReadyError("the server is shutting down")
        if self.requests >= self.limits.max_requests:
            raise OverloadedError(f"{self.requests} requests are being answered", 1)
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1


def _find_tasks(model: ServedModel, tasks: Iterable[str] | None, *, embed: bool) -> Sequence[TaskSpec]:
    names = None if tasks is None else list(tasks)
    if names == []:
        if not embed:
            raise BadRequestError("neither tasks nor embeddings are asked for; leave tasks out to get all")
        return ()
    return model.classifier.task_specs(names)
