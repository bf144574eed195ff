"""model -> what the Open Inference Protocol says about it: inputs, outputs and labels."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.inference.tensor_outputs import BYTES, INPUT, describe_tasks
from mtl_runtime.server.protocols.open_inference.infer import VERSION
from mtl_runtime.server.protocols.open_inference.outputs import outputs_of
from mtl_runtime.server.served_model import ServedModel

__all__ = ["ModelMetadata", "ServerMetadata", "TensorMetadata", "describe_model", "describe_server"]

_NAME = "mtl-export"
_EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository")
_PLATFORM = "onnx_onnxv1"  # one of the names that the protocol lists


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """What the server is."""

    name: str
    version: str
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """An input or output; -1 stands for the number of texts."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a model reads and gives."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    properties: Mapping[str, str]  # kinds, labels and thresholds of the tasks, and what runs; lists as JSON


def describe_server() -> ServerMetadata:
    """What the server is."""
    version = installed_versions([_NAME]).get(_NAME, "unknown")
    return ServerMetadata(_NAME, version, _EXTENSIONS)


def describe_model(model: ServedModel) -> ModelMetadata:
    """What a model reads and gives."""
    outputs = tuple(
        TensorMetadata(output.name, output.datatype, (-1,) if output.width is None else (-1, output.width))
        for output in outputs_of(model)
    )
    inputs = (TensorMetadata(INPUT, BYTES, (-1,)),)
    return ModelMetadata(model.name, (VERSION,), _PLATFORM, inputs, outputs, _properties(model))


def _properties(model: ServedModel) -> dict[str, str]:
    specs = model.classifier.specs
    thresholds = {f"thresholds.{task.name}": json.dumps(task.thresholds) for task in specs if task.thresholds}
    return {"variant": model.variant, "digest": model.digest, **describe_tasks(specs), **thresholds}
