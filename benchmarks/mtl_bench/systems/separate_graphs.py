"""bundle -> one fp32 graph per task, encoder included, and the SystemDriver that runs them in plain onnxruntime."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_bench.systems.optional_onnx import import_onnx
from mtl_bench.worker.system import Labels, SystemDriver
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT, Kind, TaskSpec, logits_output
from mtl_runtime.inference.decode import decode
from mtl_runtime.providers.session import import_onnxruntime

__all__ = ["BATCH_SIZE", "open", "write_separate_graphs"]

BATCH_SIZE = 32  # as such scripts have it


def write_separate_graphs(bundle: Bundle, folder: Path) -> dict[str, str]:
    """Write a graph with that task's logits alone for each task, like exports of separate models.

    Returns:
        Path of the graph by task.

    Raises:
        MissingPackageError: onnx is not installed.
    """
    import_onnx()
    from onnx.utils import extract_model

    source = bundle.check(bundle.manifest.variants[DEFAULT_VARIANT].graph)
    graphs = {}
    for task in bundle.manifest.tasks:
        graphs[task.name] = str(folder / f"{task.name}.onnx")
        extract_model(str(source), graphs[task.name], list(bundle.manifest.inputs), [logits_output(task.name)])
    return graphs


def open(*, bundle: str, graphs: Mapping[str, str]) -> SystemDriver:
    """Sessions with onnxruntime's default settings; batches in the texts' order, padded to their longest text.

    Each batch is tokenized once for all graphs, which two separate services could not do.

    Args:
        bundle: its folder.
        graphs: as :func:`write_separate_graphs` wrote them.
    """
    from tokenizers import Tokenizer

    opened = Bundle.open(bundle)
    manifest = opened.manifest
    tokenizer = Tokenizer.from_str(opened.read("tokenizer.json").decode())
    tokenizer.enable_truncation(manifest.encoder.max_length)
    tokenizer.enable_padding(pad_id=manifest.encoder.pad_id)
    onnxruntime = import_onnxruntime()
    sessions = [(task, onnxruntime.InferenceSession(graphs[task.name])) for task in manifest.tasks]

    def answer(texts: Sequence[str], size: int | None) -> Labels:
        labels: dict[str, list[Any]] = {task.name: [] for task in manifest.tasks}
        step = size or BATCH_SIZE
        for start in range(0, len(texts), step):
            feed = _feed(tokenizer.encode_batch(texts[start : start + step]), manifest.inputs)
            for task, session in sessions:
                (rows,) = session.run(None, feed)
                labels[task.name] += _DECODERS[task.kind](task, rows)
        return labels

    facts = {"onnxruntime": onnxruntime.__version__, "batches": "texts in arrival order"}
    return SystemDriver(answer=answer, unit="texts", sizes=(1, 8, BATCH_SIZE, 128), facts=facts)


def _feed(encodings: Sequence[Any], inputs: Sequence[str]) -> dict[str, Any]:
    arrays = {
        "input_ids": [encoding.ids for encoding in encodings],
        "attention_mask": [encoding.attention_mask for encoding in encodings],
        "token_type_ids": [encoding.type_ids for encoding in encodings],
    }
    return {name: np.array(arrays[name], dtype=np.int64) for name in inputs}


def _argmax_labels(task: TaskSpec, rows: NDArray[np.float32]) -> list[Any]:
    return [task.labels[index] for index in rows.argmax(axis=1)]


def _decode_values(task: TaskSpec, rows: NDArray[np.float32]) -> list[Any]:
    return [answer.value for answer in decode(task, rows)]


_DECODERS: Mapping[Kind, Callable[[TaskSpec, NDArray[np.float32]], list[Any]]] = {
    "single_label": _argmax_labels,
    "multi_label": _decode_values,
    "regression": _decode_values,
}
