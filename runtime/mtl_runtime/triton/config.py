"""tasks and settings -> config.pbtxt, by which Triton knows a model."""

from collections.abc import Mapping, Sequence

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.inference.tensor_outputs import BYTES, FP32, FP64, INPUT, TensorOutput, describe_tasks, list_outputs
from mtl_runtime.triton.settings import Device, ModelSettings
from mtl_runtime.triton.text_format import Constant, write_message

__all__ = ["WARM_UP_FILE", "label_files", "write_config"]

_TYPES = {BYTES: "TYPE_STRING", FP32: "TYPE_FP32", FP64: "TYPE_FP64"}
_INSTANCE_GROUPS: Mapping[Device, Mapping[str, object]] = {
    "cpu": {"kind": Constant("KIND_CPU")},
    # Of several GPUs the runtime uses the first that it sees.
    "gpu": {"kind": Constant("KIND_GPU"), "gpus": 0},
}
# As `mtl serve` does: a request waits for nothing if an instance is free, others gather while all are busy, and none
# joins a queue that is too long, or stays in it for ever.
_DYNAMIC_BATCHING = {
    "max_queue_delay_microseconds": 0,
    "default_queue_policy": {
        "timeout_action": Constant("REJECT"),
        "default_timeout_microseconds": 30_000_000,
        "allow_timeout_override": True,
        "max_queue_size": 512,
    },
}
WARM_UP_FILE = "text"  # in the folder `warmup` of the model
# Triton asks this before it says that the model is ready.
_WARM_UP = {
    "name": "one text",
    "batch_size": 1,
    "inputs": {
        "key": INPUT,
        "value": {"data_type": Constant(_TYPES[BYTES]), "dims": 1, "input_data_file": WARM_UP_FILE},
    },
}


def write_config(name: str, bundle: Bundle, settings: ModelSettings) -> str:
    """The text of a model's config.pbtxt.

    Args:
        name: of the model, and of its folder in the repository.
        bundle: that the model answers with.
        settings: how Triton runs it.
    """
    manifest = bundle.manifest
    outputs = list_outputs(manifest.tasks, hidden_size=manifest.encoder.hidden_size)
    files = label_files(manifest.tasks)
    fields = {
        "name": name,
        "backend": "python",
        "max_batch_size": settings.max_batch_size,
        "input": {"name": INPUT, "data_type": Constant(_TYPES[BYTES]), "dims": 1},
        "output": [_describe(output, files) for output in outputs],
        "instance_group": {"count": settings.instances, **_INSTANCE_GROUPS[settings.device]},
        "dynamic_batching": _DYNAMIC_BATCHING,
        "model_warmup": _WARM_UP,
        "parameters": [
            {"key": key, "value": {"string_value": value}} for key, value in _parameters(bundle, settings).items()
        ],
    }
    return write_message(fields)


def label_files(tasks: Sequence[TaskSpec]) -> dict[str, str]:
    """File names -> texts: a label in each line, which Triton's `classification` shows.

    A task with a label that has a line break is left out.
    """
    return {
        _label_file(task.name): "".join(f"{label}\n" for label in task.labels)
        for task in tasks
        if task.labels and not any("\n" in label for label in task.labels)
    }


def _label_file(task: str) -> str:
    return f"labels.{task}.txt"


def _describe(output: TensorOutput, files: Mapping[str, str]) -> dict[str, object]:
    fields: dict[str, object] = {
        "name": output.name,
        "data_type": Constant(_TYPES[output.datatype]),
        "dims": output.width or 1,
    }
    if output.task and output.labels and _label_file(output.task) in files:
        fields["label_filename"] = _label_file(output.task)
    return fields


def _parameters(bundle: Bundle, settings: ModelSettings) -> dict[str, str]:
    """What the model is opened with, and what a client needs to read its answers."""
    chosen = {"variant": settings.variant, "threads": settings.threads}
    opened_with = {key: str(value) for key, value in chosen.items() if value is not None}
    return {**opened_with, "digest": bundle.digest, **describe_tasks(bundle.manifest.tasks)}
