"""Answers of a model -> the same texts to another one, and a count of answers that differ, task by task."""

import asyncio
import logging
import math
import random
import time
from collections.abc import Iterable, Sequence

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.inference.decode import MultiLabelAnswer, Prediction, RegressionAnswer, SingleLabelAnswer
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.scheduling.scheduler import Scheduler
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.settings import Shadow

__all__ = ["ShadowTraffic"]

_log = logging.getLogger(__name__)

_MAX_UNDER_WAY = 4  # comparisons at the same time; further ones are left out, so that clients never wait for them
_SECONDS = 10.0
_NUMBER_TOLERANCE = 1e-3  # relative, of the answers of regressions


class ShadowTraffic:
    """Asks shadows once their model has answered, as long as nobody waits for a worker.

    Args:
        shadows: who is the shadow of whom.
        models: by name.
        scheduler: computes.
        metrics: count what agrees.
    """

    def __init__(self, shadows: Iterable[Shadow], models: ModelTable, scheduler: Scheduler, metrics: Metrics) -> None:
        self._shadows = tuple(shadows)
        self._models, self._scheduler, self._metrics = models, scheduler, metrics
        self._under_way: set[asyncio.Task[None]] = set()

    def compare(
        self, model: ServedModel, texts: Sequence[str], tasks: Sequence[TaskSpec], predictions: Sequence[Prediction]
    ) -> None:
        """Compare in the background what ``model`` predicted for ``texts`` with its shadows' predictions."""
        for shadow in self._shadows:
            if shadow.of != model.name or random.random() >= shadow.share:  # noqa: S311 - no secret
                continue
            if len(self._under_way) >= _MAX_UNDER_WAY or self._scheduler.waiting_texts:
                self._metrics.count_shadow(model.name, shadow.model, "", "left out", len(texts))
                continue
            task = asyncio.create_task(self._ask(shadow, texts, tasks, predictions))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _ask(
        self, shadow: Shadow, texts: Sequence[str], tasks: Sequence[TaskSpec], predictions: Sequence[Prediction]
    ) -> None:
        model = self._models.get(shadow.model)
        known = {task.name: task for task in model.classifier.specs}
        common = [known[task.name] for task in tasks if task.name in known and known[task.name].kind == task.kind]
        if not common:
            return
        try:
            deadline = time.monotonic() + _SECONDS
            result = await self._scheduler.compute(model, texts, common, embed=False, deadline=deadline)
        except Exception as error:  # noqa: BLE001 - whatever a shadow does, its model has answered
            _log.warning("shadow %s did not answer: %s", shadow.model, type(error).__name__)
            self._metrics.count_shadow(shadow.of, shadow.model, "", "failed", len(texts))
            return
        for task in common:
            same = sum(
                _is_same(mine[task.name], other[task.name])
                for mine, other in zip(predictions, result.predictions, strict=True)
            )
            self._metrics.count_shadow(shadow.of, shadow.model, task.name, "same", same)
            self._metrics.count_shadow(shadow.of, shadow.model, task.name, "different", len(texts) - same)


def _is_same(mine: object, other: object) -> bool:
    """The same decision; of a regression, numbers that differ by less than a thousandth of the larger one."""
    if isinstance(mine, SingleLabelAnswer) and isinstance(other, SingleLabelAnswer):
        return mine.label == other.label
    if isinstance(mine, MultiLabelAnswer) and isinstance(other, MultiLabelAnswer):
        return set(mine.labels) == set(other.labels)
    if isinstance(mine, RegressionAnswer) and isinstance(other, RegressionAnswer):
        return math.isclose(mine.value, other.value, rel_tol=_NUMBER_TOLERANCE)
    return False
