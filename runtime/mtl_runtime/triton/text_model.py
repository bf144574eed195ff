"""texts of Triton's requests -> arrays of the outputs that each of them asks for.

Copies of model.py lie in people's repositories and use this module. If what they use changes, the changelog says that
models must be written again.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.errors import InvalidTextError, MtlError
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.inference.pipeline import Pipeline
from mtl_runtime.inference.requests import Request, Result, answer_requests
from mtl_runtime.inference.tensor_outputs import TensorOutput, list_outputs
from mtl_runtime.inference.worker_pool import WorkerPool
from mtl_runtime.loading.load import load
from mtl_runtime.text.validation import validate_texts
from mtl_runtime.triton.settings import device_of

__all__ = ["BUNDLE_FOLDER", "Arrays", "Rejection", "TextModel", "TritonRequest"]

_log = logging.getLogger(__name__)

BUNDLE_FOLDER = "bundle"  # in the folder of a model's version

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TritonRequest:
    """A request as Triton's Python hands it over."""

    texts: NDArray[np.object_]  # bytes, (N, 1)
    outputs: Sequence[str]  # names; Triton has checked them


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a request has no answer."""

    message: str
    is_mistake: bool  # of the client, who should send something else


class TextModel:
    """A bundle in a process of Triton's.

    Args:
        classifier: of the bundle.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self._hidden_size = classifier.encoder.hidden_size
        self._outputs = {
            output.name: output for output in list_outputs(classifier.specs, hidden_size=self._hidden_size)
        }
        pool = WorkerPool(classifier.settings.execution.workers)
        self._pipeline = Pipeline(classifier.tokenizer, classifier.run_batch, classifier.settings, pool)

    @classmethod
    def open(cls, arguments: Mapping[str, str]) -> Self:
        """Load the bundle next to the model's file.

        Args:
            arguments: what the python backend passes to ``initialize``.

        Raises:
            MtlError: the bundle cannot be loaded, or runs on another device than its config.pbtxt says.
        """
        config = json.loads(arguments["model_config"])
        options = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
        folder = Path(arguments["model_repository"], arguments["model_version"], BUNDLE_FOLDER)
        threads = int(options["threads"]) if "threads" in options else _share_of_cores(config)
        classifier = load(folder, variant=options.get("variant"), threads=threads)
        _require_device(classifier, arguments["model_instance_kind"])
        return cls(classifier)

    def answer(self, asked: Sequence[TritonRequest]) -> list[Arrays | Rejection]:
        """Compute all requests together; each gets the outputs it asks for, or why it has none."""
        answers: dict[int, Arrays | Rejection] = {}
        requests: dict[int, Request] = {}
        for place, request in enumerate(asked):
            try:
                requests[place] = self._to_request(request)
            except InvalidTextError as error:
                answers[place] = _reject(error)
        results = answer_requests(self._pipeline, list(requests.values()), hidden_size=self._hidden_size)
        for place, result in zip(requests, results, strict=True):
            answers[place] = self._to_arrays(result, asked[place]) if isinstance(result, Result) else _reject(result)
        return [answers[place] for place in range(len(asked))]

    def _to_request(self, request: TritonRequest) -> Request:
        texts = validate_texts(
            [_decode(data, index) for index, data in enumerate(request.texts.ravel().tolist())],
            max_text_bytes=self.classifier.settings.inputs.max_text_bytes,
        )
        outputs = self._asked(request)
        tasks = [task for task in self.classifier.specs if any(output.task == task.name for output in outputs)]
        return Request(texts, tasks, embed=any(output.task is None for output in outputs))

    def _to_arrays(self, result: Result, request: TritonRequest) -> Arrays:
        """Of N texts, each with N rows: Triton's batches have the texts in their first dimension."""
        rows = len(result.predictions)
        return {
            output.name: _encode(output.read(result)).reshape(rows, output.width or 1)
            for output in self._asked(request)
        }

    def _asked(self, request: TritonRequest) -> list[TensorOutput]:
        return [self._outputs[name] for name in request.outputs]


def _share_of_cores(config: Mapping[str, Any]) -> int | None:
    """Threads of one of several instances; None: it has all cores for itself."""
    count = sum(group["count"] for group in config["instance_group"])
    return max(1, allowed_cores() // count) if count > 1 else None


def _require_device(classifier: Classifier, kind: str) -> None:
    info = classifier.info
    device = device_of(info.provider)
    if device.upper() != kind:
        raise MtlError(
            f"{info.variant} runs on the {device.upper()}, but config.pbtxt says KIND_{kind} ({info.reason}); write "
            f"the model again with `mtl triton --device {device}`, or name a variant for the {kind} with --variant"
        )


def _decode(data: bytes, index: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidTextError(index, f"is not UTF-8 (byte {error.start})") from None


def _encode(values: Sequence[str] | NDArray[Any]) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    return np.array([value.encode() for value in values], dtype=np.object_)


def _reject(error: Exception) -> Rejection:
    if isinstance(error, MtlError):
        return Rejection(str(error), is_mistake=isinstance(error, InvalidTextError))
    _log.error("a request failed", exc_info=error)
    return Rejection("the model failed; Triton's log says why", is_mistake=False)
