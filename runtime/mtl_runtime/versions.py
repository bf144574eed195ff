"""package names -> the versions installed, as checkpoints, bundles and evidence record them."""

from collections.abc import Iterable
from importlib import metadata

__all__ = ["MAKERS", "installed_versions"]

# Those that decide what weights, graphs and answers look like.
MAKERS = ("mtl-export", "torch", "transformers", "tokenizers", "onnx", "onnxscript", "onnxruntime")


def installed_versions(names: Iterable[str] = MAKERS) -> dict[str, str]:
    """Package -> version, by metadata: nothing is imported. What is not installed is absent."""
    installed = {}
    for name in names:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed
