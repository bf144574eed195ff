"""a mistake in training or export -> one exception that says what to do; extends the runtime's tree.

The tree::

    MtlError                    exit code 2 (see mtl_runtime.errors)
      ConfigError               a config file or an argument asks for something impossible
      DataError                 the labelled data as a whole cannot train the tasks asked for
      EncoderError              the encoder cannot be loaded or lacks what the config asks of it
      CheckpointError           the folder is no checkpoint, or training cannot go on from it
      ExportError               the model cannot become a graph
    CheckFailedError            exit code 1
      GateError                 the graph does not give PyTorch's answers
"""

from mtl_runtime.errors import CheckFailedError, MtlError

__all__ = ["CheckpointError", "ConfigError", "DataError", "EncoderError", "ExportError", "GateError"]


class ConfigError(MtlError):
    """The config asks for something impossible."""


class DataError(MtlError):
    """The labelled data as a whole cannot train the tasks asked for (a single bad row is a TableError)."""


class EncoderError(MtlError):
    """The encoder cannot be loaded, or lacks what the config asks of it."""


class CheckpointError(MtlError):
    """The folder is no checkpoint, or training cannot go on from it."""


class ExportError(MtlError):
    """The model cannot become a graph."""


class GateError(CheckFailedError):
    """The graph does not give PyTorch's answers within the budget."""
