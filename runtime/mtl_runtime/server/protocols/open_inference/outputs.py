"""model -> the outputs that it has, and how each is read from predictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, Kind, TaskSpec
from mtl_runtime.server.protocols.open_inference.tensors import BYTES, FP32, FP64, Numbers, Tensor
from mtl_runtime.server.scheduling.ticket import Result
from mtl_runtime.server.served_model import ServedModel

__all__ = ["Output", "classify", "list_outputs"]


@dataclass(frozen=True, slots=True)
class Output:
    """An output that a model has: of one task, or the embeddings."""

    name: str
    datatype: str
    width: int | None  # for N texts its shape is [N, width], or [N]
    read: Callable[[Result], Sequence[str] | Numbers]
    task: str | None = None
    labels: Sequence[str] = ()  # of its columns, if these are probabilities

    def to_tensor(self, result: Result) -> Tensor:
        """Its values for the texts of a request."""
        texts = len(result.predictions)
        shape = (texts,) if self.width is None else (texts, self.width)
        return Tensor(self.name, self.datatype, shape, self.read(result))


def list_outputs(model: ServedModel) -> list[Output]:
    """All outputs: those of each task, and last the embeddings, which clients get only if they name them."""
    outputs = [make(task) for task in model.classifier.specs for make in _OUTPUTS[task.kind]]
    return [*outputs, Output(EMBEDDING_OUTPUT, FP32, model.classifier.encoder.hidden_size, _read_embeddings)]


def classify(probabilities: Tensor, labels: Sequence[str], count: int) -> Tensor:
    """Probabilities (N, C) -> the ``count`` best labels of each text, as ``probability:index:label``.

    This is the protocol's extension `classification`.
    """
    width = min(count, len(labels))
    values = []
    for row in np.asarray(probabilities.values).tolist():
        best = sorted(range(len(row)), key=lambda index: -row[index])[:width]
        values += [f"{row[index]}:{index}:{labels[index]}" for index in best]
    return Tensor(probabilities.name, BYTES, (probabilities.shape[0], width), values)


def _make_label(task: TaskSpec) -> Output:
    return Output(f"{task.name}.label", BYTES, None, partial(_read_labels, task.name), task.name)


def _make_probabilities(task: TaskSpec) -> Output:
    """In double precision, in which thresholds are applied: rounded, a probability could contradict its label."""
    read = partial(_read_probabilities, task.name, task.width)
    return Output(f"{task.name}.probabilities", FP64, task.width, read, task.name, task.labels)


def _make_value(task: TaskSpec) -> Output:
    return Output(f"{task.name}.value", FP64, None, partial(_read_values, task.name), task.name)


_OUTPUTS: Mapping[Kind, tuple[Callable[[TaskSpec], Output], ...]] = {
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
