"""output path -> the paths of its work folder, and the checks of what lies there.

.OUT.mtl-work/
  ledger.jsonl    the journal: what the job is, then a line for each finished chunk
  output          the chunks' bytes, one after the other
  rejects         the chunks' bad rows, likewise
  joined          the complete output, if it is more than the chunks' bytes one after the other
  lock            locked by the process that runs the job
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.bundle.manifest import FileSpec

__all__ = ["WorkFiles", "file_matches", "next_bytes_match", "remove_folder", "work_folder_path"]

_PIECE_BYTES = 2**20
_CAN_RENAME_WITH_OPEN_FILES = os.name == "posix"  # a folder


def work_folder_path(target: Path) -> Path:
    """Return the folder that holds the work on ``target`` until it is complete."""
    return target.with_name(f".{target.name}.mtl-work")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFiles:
    """Paths in a work folder."""

    journal: Path
    output: Path
    rejects: Path
    joined: Path
    lock: Path

    @property
    def all(self) -> Sequence[Path]:
        """Every file of the folder."""
        return self.journal, self.output, self.rejects, self.joined, self.lock

    @classmethod
    def of(cls, target: Path) -> "WorkFiles":
        """Return the paths in the work folder of ``target``."""
        folder = work_folder_path(target)
        return cls(
            journal=folder / "ledger.jsonl",
            output=folder / "output",
            rejects=folder / "rejects",
            joined=folder / "joined",
            lock=folder / "lock",
        )


def file_matches(path: Path, spec: FileSpec) -> bool:
    """Whether ``path`` is a file of that size and hash."""
    return path.is_file() and path.stat().st_size == spec.bytes and FileSpec.of_file(path) == spec


def next_bytes_match(stream: BinaryIO, spec: FileSpec) -> bool:
    """Read as many bytes as ``spec`` has, if there are so many; whether they have its hash."""
    digest, left = hashlib.sha256(), spec.bytes
    while left and (piece := stream.read(min(left, _PIECE_BYTES))):
        digest.update(piece)
        left -= len(piece)
    return not left and digest.hexdigest() == spec.sha256


def remove_folder(folder: Path, after_unlock: ExitStack) -> None:
    """Remove a locked work folder, or let ``after_unlock`` do so where its open lock keeps it from being renamed."""
    if _CAN_RENAME_WITH_OPEN_FILES:
        _remove_in_one_step(folder)
    else:
        after_unlock.callback(_remove_if_unlocked, folder)


def _remove_in_one_step(folder: Path) -> None:
    """Rename the folder before its files are removed, so that no process finds it without its journal."""
    # Always the same name, so that the next job removes what a kill left behind.
    removed = folder.with_name(f"{folder.name}-removed")
    shutil.rmtree(removed, ignore_errors=True)
    folder.rename(removed)
    shutil.rmtree(removed, ignore_errors=True)


def _remove_if_unlocked(folder: Path) -> None:
    """Remove the folder, unless another process has locked it meanwhile: then that one will."""
    with suppress(PermissionError):
        _remove_in_one_step(folder)
