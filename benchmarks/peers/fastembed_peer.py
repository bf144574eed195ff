"""kit -> fastembed with the trained encoder as a custom model, and the heads in numpy."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from driver_kit import Kit, PeerError, cores, make_system, versions

from mtl_bench.worker.system import Labels, SystemDriver

_SPECIAL = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")


def prepare(*, folder: str, graph: str, **_: Any) -> None:
    """Put the encoder's graph, which another peer exported, into ``folder`` in fastembed's layout.

    Args:
        folder: to write.
        graph: ONNX file of the encoder, with its tokenizer and config in the folder above.
    """
    source, target = Path(graph).parents[1], Path(folder)
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    shutil.copy(graph, target / "onnx" / "model.onnx")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, target / name)
    config = json.loads((target / "tokenizer_config.json").read_text("utf-8"))
    special = {name: config[name] for name in _SPECIAL if isinstance(config.get(name), str)}
    (target / "special_tokens_map.json").write_text(json.dumps(special), "utf-8")


def open(*, kit: str, folder: str, **_: Any) -> SystemDriver:
    """TextEmbedding on all allowed cores, then each task's head.

    Raises:
        PeerError: fastembed does not have the kit's pooling.
    """
    import numpy as np
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    read = Kit.read(kit)
    poolings = {"mean": PoolingType.MEAN, "cls": PoolingType.CLS}
    if read.pooling not in poolings:
        raise PeerError(f"fastembed has no pooling {read.pooling!r}")
    dimension = json.loads((Path(folder) / "config.json").read_text("utf-8"))["hidden_size"]
    TextEmbedding.add_custom_model(
        model="kit/encoder",
        pooling=poolings[read.pooling],
        normalization=False,
        sources=ModelSource(hf="kit/encoder"),
        dim=dimension,
        model_file="onnx/model.onnx",
    )
    model = TextEmbedding("kit/encoder", specific_model_path=folder, threads=cores(), cuda=False)
    heads = {task.name: read.head(task) for task in read.tasks}

    def answer(texts: Sequence[str], size: int | None) -> Labels:
        embeddings = np.stack(list(model.embed(list(texts), batch_size=size or 256)))
        return {task.name: task.answers(heads[task.name](embeddings)) for task in read.tasks}

    return make_system(
        answer, {"threads": str(cores()), **versions("fastembed", "onnxruntime")}, sizes=(8, 32, 64, 256)
    )
