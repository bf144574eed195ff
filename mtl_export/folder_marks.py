"""The files that mark a folder as a checkpoint, or as an unfinished run, and the lock of a run: known without torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mtl_export.errors import CheckpointError
from mtl_runtime.bundle.manifest import MANIFEST_NAME
from mtl_runtime.core.file_lock import exclusive_lock
from mtl_runtime.core.outputs import os_errors_as_mtl_errors

__all__ = [
    "CHECKPOINT_RECORD",
    "COMPRESSION_RECORD",
    "RUN_RECORD",
    "check_is_checkpoint",
    "check_no_unfinished_run",
    "check_run_folder",
    "lock_run",
    "remove_run_folder",
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


@contextmanager
def lock_run(output: Path) -> Iterator[None]:
    """Keep other processes from starting or continuing a run that writes to ``output``.

    Raises:
        MtlError: another process is at it.
    """
    lock = output.with_name(f".{output.name}.run.lock")
    with os_errors_as_mtl_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(lock, what=str(output)):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no file that is open; it is empty
                lock.unlink()


def check_run_folder(output: Path) -> None:
    """Refuse to start a run whose folder is somebody else's: starting it would remove what is there.

    Raises:
        CheckpointError: it holds something, and no unfinished run.
    """
    folder = run_folder_path(output)
    if not folder.exists():
        return
    # A run that was killed when it had just been started leaves its record under a name that ends so.
    foreign = not folder.is_dir() or any(path.suffix != ".new" for path in folder.iterdir())
    if foreign and not any((folder / name).is_file() for name in (RUN_RECORD, COMPRESSION_RECORD)):
        raise CheckpointError(
            f"{folder} is where an unfinished run would be, and holds something else; move it, or name another output"
        )


def remove_run_folder(folder: Path) -> None:
    """Remove the folder of a run; where a kill interrupts that, no half of it is left under its name."""
    removed = folder.with_name(f".{folder.name}-old-{os.urandom(4).hex()}")
    try:
        folder.rename(removed)
    except OSError:
        return
    import shutil  # most commands remove nothing

    shutil.rmtree(removed, ignore_errors=True)


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
