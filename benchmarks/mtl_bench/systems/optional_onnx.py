"""Import of onnx, which an extra brings: graphs are read and written with it, never run."""

from typing import Any

from mtl_runtime.errors import MissingPackageError

__all__ = ["import_onnx"]


def import_onnx() -> Any:
    """The module onnx.

    Raises:
        MissingPackageError: it is not installed; the message holds the command that installs it.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingPackageError(
            f"onnx cannot be imported ({error}); run `pip install 'mtl-export[bench]'`"
        ) from error
    return onnx
