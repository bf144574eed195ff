"""kit -> infinity's engine for embeddings on CTranslate2, and the heads in numpy."""

import asyncio
import os
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from driver_kit import Kit, PeerError, cores, make_system, versions

from mtl_bench.worker.system import Labels, SystemDriver


def open(*, kit: str, engine: str, batch_size: int) -> SystemDriver:
    """One engine that gets all texts at once and makes batches of them itself.

    Args:
        kit: folder that kit.py wrote.
        engine: of infinity, such as ctranslate2, which has embeddings alone.
        batch_size: the most texts that the engine takes together.

    Raises:
        PeerError: infinity pools by the mean, and the model does not.
    """
    # It converts the model when it opens it, and finds an earlier one by the folder's name alone, whatever is in it.
    os.environ["HUGGINGFACE_HUB_CACHE"] = str(Path(kit).absolute() / "infinity-ctranslate2")
    import numpy as np
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs

    read = Kit.read(kit)
    if read.pooling != "mean":
        raise PeerError(f"infinity's {engine} engine pools by the mean, the model by {read.pooling!r}")
    source = str((read.folder / "sentence-transformers").absolute())
    arguments = EngineArgs(
        model_name_or_path=source,
        engine=engine,
        device="cpu",
        dtype="float32",
        batch_size=batch_size,
        model_warmup=False,
        bettertransformer=False,
    )
    model = AsyncEmbeddingEngine.from_args(arguments)
    heads = {task.name: read.head(task) for task in read.tasks}
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    wait(model.astart())
    # An engine that is not stopped keeps the process from ending; atexit would come after the threads that stop it.
    threading._register_atexit(lambda: wait(model.astop()))

    def answer(texts: Sequence[str], _: int | None) -> Labels:
        embeddings, _usage = wait(model.embed(sentences=list(texts)))
        stacked = np.stack(embeddings)
        return {task.name: task.answers(heads[task.name](stacked)) for task in read.tasks}

    facts = {"threads": str(cores()), **versions("infinity-emb", "ctranslate2", "transformers")}
    return make_system(answer, facts, sizes=(batch_size,))
