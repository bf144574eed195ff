"""the installed packages -> their versions, as checkpoints, bundles and evidence record them."""

from importlib import metadata

__all__ = ["made_with"]

_PACKAGES = ("mtl-export", "torch", "transformers", "tokenizers", "onnx", "onnxscript", "onnxruntime")


def made_with() -> dict[str, str]:
    """Package -> version, of those that decide what weights and graphs look like."""
    installed = {}
    for name in _PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed
