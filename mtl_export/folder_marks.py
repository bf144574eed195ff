"""The files that mark a folder as a checkpoint, or as an unfinished run: known without torch."""

from pathlib import Path

from mtl_export.errors import CheckpointError
from mtl_runtime.bundle.manifest import MANIFEST_NAME

__all__ = [
    "CHECKPOINT_RECORD",
    "COMPRESSION_RECORD",
    "RUN_RECORD",
    "check_is_checkpoint",
    "check_no_unfinished_run",
    "run_folder_path",
]

CHECKPOINT_RECORD = "checkpoint.json"
RUN_RECORD = "run.json"
COMPRESSION_RECORD = "compression.json"


def check_is_checkpoint(folder: Path) -> None:
    """Refuse a folder that ``mtl train`` did not write.

    Raises:
        CheckpointError: it is missing, or something else; the message says what it is.
    """
    if (folder / CHECKPOINT_RECORD).is_file():
        return
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder that `mtl train` wrote")
    if (folder / MANIFEST_NAME).is_file():
        raise CheckpointError(f"{folder} is a bundle, not a checkpoint; give the folder that `mtl train` wrote")
    if (folder / RUN_RECORD).is_file():
        raise CheckpointError(f"{folder} is an unfinished run; run `mtl train` with --resume, and give its output")
    raise CheckpointError(
        f"{folder} holds no {CHECKPOINT_RECORD}, so it is not a checkpoint; make one with `mtl train`"
    )


def run_folder_path(output: Path) -> Path:
    """The folder of a run that writes to ``output``, until it is finished."""
    return output.with_name(f"{output.name}.run")


def check_no_unfinished_run(output: Path) -> None:
    """Refuse to start a run where an unfinished one would be lost.

    Raises:
        CheckpointError: there is one.
    """
    folder = run_folder_path(output)
    if any((folder / name).is_file() for name in (RUN_RECORD, COMPRESSION_RECORD)):
        raise CheckpointError(
            f"{folder} holds an unfinished run; continue it with --resume, or discard it with --force"
        )
