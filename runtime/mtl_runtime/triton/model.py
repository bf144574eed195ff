"""What Triton's python backend runs; `mtl triton` copies this file into the folder of the model's version.

The work is done by the mtl-export that is installed where Triton's Python finds it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import triton_python_backend_utils as pb_utils  # Triton's own: only its processes have it

from mtl_runtime.inference.tensor_outputs import INPUT
from mtl_runtime.triton.text_model import Arrays, Rejection, TextModel, TritonRequest

__all__ = ["TritonPythonModel"]


class TritonPythonModel:
    """One instance of the model, in a process of its own; the python backend looks for a class of this name."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the bundle; an error makes the model unavailable, and Triton shows its message."""
        self._model = TextModel.open(args)
        info = self._model.classifier.info
        pb_utils.Logger.log_info(f"{args['model_instance_name']}: {info.variant} runs; {info.reason}")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer the requests that Triton has gathered: one response for each, in their order."""
        asked = [TritonRequest(_read_texts(request), request.requested_output_names()) for request in requests]
        return [_respond(answer) for answer in self._model.answer(asked)]


def _read_texts(request: Any) -> Any:
    return pb_utils.get_input_tensor_by_name(request, INPUT).as_numpy()


def _respond(answer: Arrays | Rejection) -> Any:
    if isinstance(answer, Rejection):
        code = pb_utils.TritonError.INVALID_ARG if answer.is_mistake else pb_utils.TritonError.INTERNAL
        return pb_utils.InferenceResponse([], pb_utils.TritonError(answer.message, code))
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in answer.items()])
