"""kit -> transformers' text-classification pipeline, one for each task."""

from collections.abc import Sequence
from typing import Any

from driver_kit import Kit, Task, cores, make_system, versions

from mtl_bench.worker.system import Labels, SystemDriver


def open(*, kit: str, precision: str) -> SystemDriver:
    """Pipelines on all allowed cores; ``precision`` is a name of torch's.

    The documentation advises against batches on a CPU, so single texts are among the sizes.
    """
    import numpy as np
    import torch
    from transformers import pipeline

    torch.set_num_threads(cores())
    read = Kit.read(kit)
    pipelines = {
        task.name: pipeline(
            "text-classification",
            model=read.task_folder(task),
            trust_remote_code=True,
            dtype=getattr(torch, precision),
            function_to_apply="none",
            top_k=None,
            truncation=True,
        )
        for task in read.tasks
    }

    def logits(task: Task, items: list[dict[str, Any]]) -> list[float]:
        scores = {item["label"]: item["score"] for item in items}
        return [scores[label] for label in task.labels or ("value",)]

    def answer(texts: Sequence[str], size: int | None) -> Labels:
        return {
            task.name: task.answers(
                np.asarray([logits(task, items) for items in pipelines[task.name](list(texts), batch_size=size or 1)])
            )
            for task in read.tasks
        }

    facts = {"threads": str(torch.get_num_threads()), **versions("torch", "transformers")}
    return make_system(answer, facts, sizes=(1, 8, 32))
