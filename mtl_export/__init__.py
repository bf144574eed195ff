"""Train one multi-task sentence classifier and export it to one verified ONNX graph.

``Config.from_toml`` reads a config, ``train`` turns it into a checkpoint with a ``MultiTaskModel``, which is a plain
nn.Module, and ``export_bundle`` turns the checkpoint into a bundle for :mod:`mtl_runtime`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtl_export.bundling.export_bundle import export_bundle
    from mtl_export.checkpoint import Checkpoint, load_checkpoint
    from mtl_export.config import Config
    from mtl_export.model import HeadSpec, MultiTaskModel, MultiTaskOutput
    from mtl_export.training import train
    from mtl_runtime.bundle.manifest import TaskSpec

__all__ = [
    "Checkpoint",
    "Config",
    "HeadSpec",
    "MultiTaskModel",
    "MultiTaskOutput",
    "TaskSpec",
    "export_bundle",
    "load_checkpoint",
    "train",
]

_HOMES = {
    "Checkpoint": "mtl_export.checkpoint",
    "Config": "mtl_export.config",
    "HeadSpec": "mtl_export.model",
    "MultiTaskModel": "mtl_export.model",
    "MultiTaskOutput": "mtl_export.model",
    "TaskSpec": "mtl_runtime.bundle.manifest",
    "export_bundle": "mtl_export.bundling.export_bundle",
    "load_checkpoint": "mtl_export.checkpoint",
    "train": "mtl_export.training",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used: importing the package does not import torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
