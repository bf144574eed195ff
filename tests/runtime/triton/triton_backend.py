"""The part of Triton's python backend that a model sees, in its shape: tensors, requests, responses and errors."""

import importlib.util
import json
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from mtl_runtime.inference.tensor_outputs import INPUT


class Tensor:
    def __init__(self, name, array):
        self._name, self._array = name, array

    def name(self):
        return self._name

    def as_numpy(self):
        return self._array


class TritonError:
    INTERNAL, INVALID_ARG = 1, 3

    def __init__(self, message, code=INTERNAL):
        self._message, self._code = message, code

    def message(self):
        return self._message

    def code(self):
        return self._code


class InferenceResponse:
    def __init__(self, output_tensors, error=None):
        self._tensors, self._error = output_tensors, error

    def has_error(self):
        return self._error is not None

    def error(self):
        return self._error

    def output_tensors(self):
        return self._tensors


class InferenceRequest:
    def __init__(self, texts, outputs):
        encoded = [text if isinstance(text, bytes) else text.encode() for text in texts]
        self._input = Tensor(INPUT, np.array(encoded, dtype=np.object_).reshape(-1, 1))
        self._outputs = list(outputs)

    def inputs(self):
        return [self._input]

    def requested_output_names(self):
        return self._outputs


@dataclass
class BackendUtils(SimpleNamespace):
    """What ``import triton_python_backend_utils`` gives in a process of Triton's."""

    lines: list = field(default_factory=list)  # of Triton's log
    Tensor, TritonError, InferenceResponse = Tensor, TritonError, InferenceResponse

    def get_input_tensor_by_name(self, request, name):
        return next((tensor for tensor in request.inputs() if tensor.name() == name), None)

    @property
    def Logger(self):
        return SimpleNamespace(log_info=self.lines.append)


def open_model(folder, monkeypatch, *, kind="CPU", count=1, **parameters):
    """The model of a folder that ``mtl triton`` wrote, initialized as Triton does it."""
    utils = BackendUtils()
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", utils)
    spec = importlib.util.spec_from_file_location("model", folder / "1" / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = {
        "name": folder.name,
        "instance_group": [{"name": f"{folder.name}_0", "kind": f"KIND_{kind}", "count": count}],
        "parameters": {key: {"string_value": value} for key, value in parameters.items()},
    }
    model = module.TritonPythonModel()
    model.initialize(
        {
            "model_config": json.dumps(config),
            "model_instance_kind": kind,
            "model_instance_name": f"{folder.name}_0_0",
            "model_instance_device_id": "0",
            "model_repository": str(folder),
            "model_version": "1",
            "model_name": folder.name,
        }
    )
    return model, utils
