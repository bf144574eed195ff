"""nothing -> the module onnx, or what to install: graphs are read and written with it, never run."""

from typing import Any

from mtl_runtime.errors import MissingPackageError

__all__ = ["onnx_package"]


def onnx_package() -> Any:
    """Import onnx.

    Raises:
        MissingPackageError: it is not installed; the message holds the command that mends it.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingPackageError(
            f"onnx cannot be imported ({error}); run `pip install 'mtl-export[bench]'`"
        ) from error
    return onnx
