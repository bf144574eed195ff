"""bundle -> one fp32 graph for each task, encoder and all; texts -> their labels through plain onnxruntime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtl_bench.runtime.child import Prepared
from mtl_runtime.bundle import Bundle
from mtl_runtime.choice import DEFAULT_VARIANT
from mtl_runtime.manifest import logits_output

__all__ = ["prepare", "separate_graphs"]

_BATCH_SIZE = 32


def separate_graphs(bundle: Bundle, folder: Path) -> dict[str, str]:
    """Write a graph with that task's logits alone for each task, as two exports of two models would be.

    Returns:
        Path of the graph by task.
    """
    from onnx.utils import extract_model

    whole = bundle.check(bundle.manifest.variants[DEFAULT_VARIANT].graph)
    graphs = {}
    for task in bundle.manifest.tasks:
        graphs[task.name] = str(folder / f"{task.name}.onnx")
        extract_model(str(whole), graphs[task.name], list(bundle.manifest.inputs), [logits_output(task.name)])
    return graphs


def prepare(*, bundle: str, graphs: dict[str, str], texts: Sequence[str]) -> Prepared:
    """Sessions with onnxruntime's own settings, batches of 32 in the texts' order, padded to their longest.

    Each batch is tokenized once for all graphs, which two separate services could not do.
    """
    import onnxruntime
    from tokenizers import Tokenizer

    opened = Bundle.open(bundle)
    manifest = opened.manifest
    tokenizer = Tokenizer.from_str(opened.read("tokenizer.json").decode())
    tokenizer.enable_truncation(manifest.encoder.max_length)
    tokenizer.enable_padding(pad_id=manifest.encoder.pad_id)
    sessions = {task: onnxruntime.InferenceSession(graph) for task, graph in graphs.items()}
    labels = {task.name: task.labels for task in manifest.tasks}

    def answer() -> dict[str, list[str]]:
        given: dict[str, list[str]] = {task: [] for task in sessions}
        for start in range(0, len(texts), _BATCH_SIZE):
            feed = _feed(tokenizer.encode_batch(texts[start : start + _BATCH_SIZE]), manifest.inputs)
            for task, session in sessions.items():
                (rows,) = session.run(None, feed)
                given[task] += [labels[task][index] for index in rows.argmax(axis=1)]
        return given

    return Prepared({"answer": answer}, {"batches": f"{_BATCH_SIZE} texts in arrival order"})


def _feed(encodings: Sequence[Any], inputs: Sequence[str]) -> dict[str, Any]:
    arrays = {
        "input_ids": [encoding.ids for encoding in encodings],
        "attention_mask": [encoding.attention_mask for encoding in encodings],
        "token_type_ids": [encoding.type_ids for encoding in encodings],
    }
    return {name: np.array(arrays[name], dtype=np.int64) for name in inputs}
