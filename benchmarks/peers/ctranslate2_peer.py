"""kit -> CTranslate2's Encoder, a batch on each core, and the heads in numpy."""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from driver_kit import Kit, batches_by_length, collect_labels, cores, make_system, versions

from mtl_bench.worker.system import Labels, SystemDriver


def prepare(*, kit: str, folder: str, precision: str, **_: Any) -> None:
    """Convert the encoder into ``folder``, its weights in ``precision``: float32 or int8."""
    from ctranslate2.converters import TransformersConverter

    converter = TransformersConverter(str(Kit.read(kit).folder / "encoder"))
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).parent.mkdir(parents=True, exist_ok=True)
    converter.convert(folder, quantization=None if precision == "float32" else precision)


def open(*, kit: str, folder: str, precision: str) -> SystemDriver:
    """As many batches at a time as there are cores, each on one thread, sorted by length.

    Args:
        kit: folder that kit.py wrote.
        folder: that :func:`prepare` wrote.
        precision: of weights and computation.
    """
    import ctranslate2
    import numpy as np

    read = Kit.read(kit)
    encoder = ctranslate2.Encoder(folder, device="cpu", compute_type=precision, inter_threads=cores(), intra_threads=1)
    encode, heads = read.token_ids(), {task.name: read.head(task) for task in read.tasks}
    pool = ThreadPoolExecutor(cores())

    def run(ids: list[list[int]]) -> dict[str, Any]:
        hidden = np.asarray(encoder.forward_batch(ids).last_hidden_state)
        embeddings = read.pool(hidden, [len(each) for each in ids])
        return {name: head(embeddings) for name, head in heads.items()}

    def answer(texts: Sequence[str], size: int | None) -> Labels:
        ids = [encoding.ids for encoding in encode(texts)]
        batches = batches_by_length([len(each) for each in ids], size)
        logits = pool.map(lambda indices: run([ids[index] for index in indices]), batches)
        return collect_labels(read, len(texts), zip(batches, logits, strict=True))

    facts = {"threads": f"{cores()} x 1", "computes in": encoder.compute_type, **versions("ctranslate2")}
    system = make_system(answer, facts)
    return SystemDriver(**{**vars(system), "concurrency": cores()})
