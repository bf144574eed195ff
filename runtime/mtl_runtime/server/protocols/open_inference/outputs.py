"""outputs of a model and a result -> tensors."""

from collections.abc import Sequence

import numpy as np

from mtl_runtime.inference.requests import Result
from mtl_runtime.inference.tensor_outputs import BYTES, TensorOutput, list_outputs
from mtl_runtime.server.protocols.open_inference.tensors import Tensor
from mtl_runtime.server.served_model import ServedModel

__all__ = ["classify", "outputs_of", "to_tensor"]


def outputs_of(model: ServedModel) -> list[TensorOutput]:
    """All outputs of a model; clients get the last one, the embeddings, only if they name it."""
    return list_outputs(model.classifier.specs, hidden_size=model.classifier.encoder.hidden_size)


def to_tensor(output: TensorOutput, result: Result) -> Tensor:
    """The values of an output for the texts of a request."""
    texts = len(result.predictions)
    shape = (texts,) if output.width is None else (texts, output.width)
    return Tensor(output.name, output.datatype, shape, output.read(result))


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
