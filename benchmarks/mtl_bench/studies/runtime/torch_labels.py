"""checkpoint + texts -> Worker: one PyTorch model, eager or compiled, answers them in sorted batches."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from mtl_bench.worker.serve import Worker
from mtl_export.checkpoint import load_checkpoint
from mtl_export.model import MultiTaskModel
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.inference.batching import plan_batches

__all__ = ["prepare"]

# Padded tokens of a batch; the fastest is taken.
_BUDGETS = (512, 1024, 2048, 4096)
_SAMPLE_TEXTS = 384  # on which the budgets are tried
# Passes over the same batches until none is compiled any more.
_MAX_WARM_UPS = 5

Labels = dict[str, list[str]]


def prepare(*, checkpoint: str, texts: Sequence[str], precision: str, compiled: bool) -> Worker:
    """The model on all allowed cores, warmed up on the same batches that are timed.

    Args:
        checkpoint: folder that ``mtl train`` wrote.
        texts: to be answered.
        precision: of the weights, a name of torch's such as ``bfloat16``.
        compiled: by torch.compile with Inductor's freezing, which folds the weights' layouts into the code.
    """
    torch.set_num_threads(allowed_cores())
    model = load_checkpoint(checkpoint).model.to(getattr(torch, precision))
    forward = _compile(model) if compiled else model
    sample = evenly_spaced(texts, _SAMPLE_TEXTS)
    seconds = {budget: _warm_seconds(partial(_answer, model, forward, sample, budget)) for budget in _BUDGETS}
    fastest = min(_BUDGETS, key=lambda budget: seconds[budget])
    answer = partial(_answer, model, forward, texts, fastest)
    _warm_up(answer)
    facts = {
        "threads": str(torch.get_num_threads()),
        "token budget": f"{fastest}, the fastest of {', '.join(map(str, _BUDGETS))} on {len(sample)} texts",
    }
    if compiled:
        facts["graphs compiled"] = str(_count_compiled_graphs())
    return Worker({"answer": answer}, facts)


def _compile(model: MultiTaskModel) -> Callable[..., Any]:
    from torch._inductor import config

    config.freezing = True
    # One kernel for all shapes: hundreds of batch shapes would be compiled one by one otherwise.
    compiled: Callable[..., Any] = torch.compile(model, dynamic=True)
    return compiled


def _answer(model: MultiTaskModel, forward: Callable[..., Any], texts: Sequence[str], budget: int) -> Labels:
    tokens = model.tokenize(texts)
    labels = {task.name: [""] * len(texts) for task in model.spec.tasks}
    with torch.no_grad():  # freezing does nothing in inference mode
        for indices in plan_batches([len(text) for text in tokens], max_batch_tokens=budget):
            output = forward(**model.tensors([tokens[index] for index in indices]))
            for task in model.spec.tasks:
                best = output.logits[task.name].argmax(dim=1).tolist()
                for index, label in zip(indices, best, strict=True):
                    labels[task.name][index] = task.labels[label]
    return labels


def _warm_seconds(run: Callable[[], object]) -> float:
    """Seconds of a pass in which nothing is compiled, the faster one of two."""
    _warm_up(run)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _warm_up(run: Callable[[], object]) -> None:
    for _ in range(_MAX_WARM_UPS):
        before = _count_compiled_graphs()
        run()
        if before == _count_compiled_graphs():
            return


def _count_compiled_graphs() -> int:
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])
