"""tasks -> the tensors in which inference servers give answers, by name, and how each is read from a result."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, Kind, TaskSpec
from mtl_runtime.inference.requests import Result

__all__ = ["BYTES", "FP32", "FP64", "INPUT", "Numbers", "TensorOutput", "describe_tasks", "list_outputs"]

BYTES, FP32, FP64 = "BYTES", "FP32", "FP64"  # datatypes of the Open Inference Protocol
INPUT = "text"  # the one input of each model: BYTES

Numbers = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TensorOutput:
    """An output that a model has: of one task, or the embeddings."""

    name: str
    datatype: str
    width: int | None  # for N texts its values are [N, width], or [N]
    read: Callable[[Result], Sequence[str] | Numbers]
    task: str | None = None
    labels: Sequence[str] = ()  # of its columns, if these are probabilities


def list_outputs(specs: Sequence[TaskSpec], *, hidden_size: int) -> list[TensorOutput]:
    """All outputs of a model: those of each task, and last the embeddings.

    Args:
        specs: its tasks.
        hidden_size: width of its embeddings.
    """
    outputs = [make(task) for task in specs for make in _OUTPUTS[task.kind]]
    return [*outputs, TensorOutput(EMBEDDING_OUTPUT, FP32, hidden_size, _read_embeddings)]


def describe_tasks(specs: Sequence[TaskSpec]) -> dict[str, str]:
    """What a client needs to read the outputs: ``kind.<task>``, and ``labels.<task>`` as a JSON list."""
    properties: dict[str, str] = {}
    for task in specs:
        properties[f"kind.{task.name}"] = task.kind
        if task.labels:
            properties[f"labels.{task.name}"] = json.dumps(task.labels, ensure_ascii=False)
    return properties


def _make_label(task: TaskSpec) -> TensorOutput:
    return TensorOutput(f"{task.name}.label", BYTES, None, partial(_read_labels, task.name), task.name)


def _make_probabilities(task: TaskSpec) -> TensorOutput:
    """In double precision, in which thresholds are applied: rounded, a probability could contradict its label."""
    read = partial(_read_probabilities, task.name, task.width)
    return TensorOutput(f"{task.name}.probabilities", FP64, task.width, read, task.name, task.labels)


def _make_value(task: TaskSpec) -> TensorOutput:
    return TensorOutput(f"{task.name}.value", FP64, None, partial(_read_values, task.name), task.name)


_OUTPUTS: Mapping[Kind, tuple[Callable[[TaskSpec], TensorOutput], ...]] = {
    "single_label": (_make_label, _make_probabilities),
    "multi_label": (_make_label, _make_probabilities),
    "regression": (_make_value,),
}


def _read_labels(task: str, result: Result) -> list[str]:
    """The label of each text; of a multi_label task all that apply, joined by ``|``."""
    return [prediction[task].value for prediction in result.predictions]


def _read_probabilities(task: str, width: int, result: Result) -> Numbers:
    rows = [list(prediction[task].probabilities.values()) for prediction in result.predictions]
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _read_values(task: str, result: Result) -> Numbers:
    return np.array([prediction[task].value for prediction in result.predictions], dtype=np.float64)


def _read_embeddings(result: Result) -> Numbers:
    return np.asarray(result.embeddings, dtype=np.float32)
