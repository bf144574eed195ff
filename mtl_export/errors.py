"""The exceptions of training and export; each message says what to do.

They extend the tree of :mod:`mtl_runtime.errors`::

    MtlError                    exit code 2 (see mtl_runtime.errors)
      ConfigError               a config file or an argument asks for something impossible
      DataError                 the labelled data as a whole cannot train the tasks asked for
      EncoderError              the encoder cannot be loaded or lacks what the config asks of it
      CheckpointError           the folder is no checkpoint, or training cannot continue from it
      ExportError               the model cannot become a graph
      IncompatiblePackageError  an installed package lacks an interface that this one relies on
    CheckFailedError            exit code 1
      GateError                 the graph does not give PyTorch's answers
"""

from mtl_runtime.errors import CheckFailedError, MtlError

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "EncoderError",
    "ExportError",
    "GateError",
    "IncompatiblePackageError",
]


class ConfigError(MtlError):
    """The config asks for something impossible."""


class DataError(MtlError):
    """The labelled data as a whole cannot train the tasks asked for (a single bad row is a TableError)."""


class EncoderError(MtlError):
    """The encoder cannot be loaded, or lacks what the config asks of it."""


class CheckpointError(MtlError):
    """The folder is no checkpoint, or training cannot continue from it."""


class ExportError(MtlError):
    """The model cannot become a graph."""


class IncompatiblePackageError(MtlError):
    """An installed package lacks an interface that this one relies on."""


class GateError(CheckFailedError):
    """The graph does not give PyTorch's answers within the budget."""
