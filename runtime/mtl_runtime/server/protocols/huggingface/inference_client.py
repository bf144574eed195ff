"""What Hugging Face's inference clients send to a bare URL, and how it differs from Text Embeddings Inference.

``InferenceClient.text_classification`` always sends ``parameters``, and reads a list of labels for each text even of
one. ``feature_extraction`` may send ``inputs`` alone, which would ask a classifier for labels; only its options and its
User-Agent (seen in huggingface_hub 2.4) show that it wants embeddings.
"""

from typing import Any

import msgspec

from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.server.failures import BadRequestError
from mtl_runtime.server.http.call import Call, decode_json
from mtl_runtime.server.protocols.huggingface.bodies import ClassificationParameters

__all__ = ["is_feature_extraction", "wants_raw_scores"]

_USER_AGENT = "hf_hub/"
_FUNCTIONS: dict[Kind, str] = {"single_label": "softmax", "multi_label": "sigmoid", "regression": "none"}


class _Keys(msgspec.Struct):
    """Keys of a body, whatever they hold."""

    parameters: Any = msgspec.UNSET
    normalize: Any = msgspec.UNSET
    prompt_name: Any = msgspec.UNSET
    dimensions: Any = msgspec.UNSET
    encoding_format: Any = msgspec.UNSET


_KEYS = msgspec.json.Decoder(_Keys)


def is_feature_extraction(call: Call, body: bytes) -> bool:
    """Whether a body that was sent to the bare URL asks for embeddings.

    Raises:
        BadRequestError: the body is no JSON object.
    """
    keys: _Keys = decode_json(_KEYS, body)
    options = (keys.normalize, keys.prompt_name, keys.dimensions, keys.encoding_format)
    if any(option is not msgspec.UNSET for option in options):
        return True
    return keys.parameters is msgspec.UNSET and _USER_AGENT in (call.header("user-agent") or "")


def wants_raw_scores(parameters: ClassificationParameters, task: TaskSpec) -> bool:
    """Whether ``function_to_apply`` asks for logits; a task's probabilities come from the function it was trained with.

    Raises:
        BadRequestError: it asks for the other one.
    """
    function, own = parameters.function_to_apply, _FUNCTIONS[task.kind]
    if function in (None, own):
        return False
    if function == "none":
        return True
    raise BadRequestError(
        f"task {task.name!r} is answered with {own}, not with {function}; leave function_to_apply out"
    )
