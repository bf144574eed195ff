"""kit -> infinity's engines, one for each task, on torch or on optimum-onnx."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from driver_kit import Kit, PeerError, Task, cores, make_system, versions

from mtl_bench.worker.system import Labels, SystemDriver


def prepare(*, kit: str, folder: str, **_: Any) -> None:
    """Export each task's model into ``folder/<task>`` and optimize it as infinity does for CPUs."""
    from optimum.onnxruntime import ORTModelForSequenceClassification, ORTOptimizer
    from optimum.onnxruntime.configuration import OptimizationConfig
    from transformers import AutoTokenizer

    read = Kit.read(kit)
    for task in read.tasks:
        source, target = read.task_folder(task), Path(folder) / task.name
        model = ORTModelForSequenceClassification.from_pretrained(source, export=True, trust_remote_code=True)
        best = OptimizationConfig(optimization_level=99, optimize_for_gpu=False, fp16=False)
        ORTOptimizer.from_pretrained(model).optimize(save_dir=target, optimization_config=best)
        AutoTokenizer.from_pretrained(source).save_pretrained(target)


def open(*, kit: str, engine: str, batch_size: int, folder: str | None = None, warm: bool = True) -> SystemDriver:
    """Engines that get all texts at once and make batches of them themselves.

    Args:
        kit: folder that kit.py wrote.
        engine: torch or optimum.
        batch_size: the most texts that an engine takes together.
        folder: that :func:`prepare` wrote; None: the kit's models.
        warm: whether engines run on 512 words when they open, which is their default.

    Raises:
        PeerError: a task is a regression, whose models infinity takes for rerankers.
    """
    import torch
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs

    torch.set_num_threads(cores())
    read = Kit.read(kit)
    if regressions := [task.name for task in read.tasks if len(task.labels) < 2]:
        raise PeerError(f"infinity takes a model of one output for a reranker, not a classifier: {regressions}")
    engines = []
    for task in read.tasks:
        source = Path(folder, task.name).absolute() if folder else Path(read.task_folder(task)).absolute()
        # A graph is looked for by its whole path, which optimum-onnx 0.1 refuses, unless the folder is the current one.
        with contextlib.chdir(source):
            engines.append(
                AsyncEmbeddingEngine.from_args(
                    EngineArgs(
                        model_name_or_path="." if folder else str(source),
                        served_model_name=task.name,
                        engine=engine,
                        device="cpu",
                        dtype="float32",
                        batch_size=batch_size,
                        trust_remote_code=True,
                        model_warmup=warm,
                        bettertransformer=False,  # optimum no longer has it
                        onnx_disable_optimize=True,  # a graph optimized for "." would be taken for every "."
                    )
                )
            )
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    for each in engines:
        wait(each.astart())
    # Engines that are not stopped keep the process from ending; atexit would come after the threads that stop them.
    threading._register_atexit(lambda: [wait(each.astop()) for each in engines])

    async def classify(texts: list[str]) -> list[Any]:
        return await asyncio.gather(*(each.classify(sentences=texts) for each in engines))

    def answer(texts: Sequence[str], _: int | None) -> Labels:
        return {
            task.name: _labels(task, rows)
            for task, (rows, _usage) in zip(read.tasks, wait(classify(list(texts))), strict=True)
        }

    facts = {"threads": str(cores()), **versions("infinity-emb", "torch", "transformers")}
    return make_system(answer, facts, sizes=(batch_size,))


def _labels(task: Task, rows: Sequence[Sequence[dict[str, Any]]]) -> list[Any]:
    """Answers from scores, which are probabilities already."""
    import numpy as np

    by_label = [{item["label"]: item["score"] for item in row} for row in rows]
    scores = np.asarray([[row[label] for label in task.labels] for row in by_label])
    return task.answers(scores if task.kind == "single_label" else np.log(scores) - np.log1p(-scores))
