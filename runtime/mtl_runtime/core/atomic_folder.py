"""Write a folder that is whole or absent: staged next to its target, synced to disk, renamed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtl_runtime.core.outputs import check_folder, move_folder, os_errors_as_mtl_errors, sync

__all__ = ["atomic_folder", "sync_tree"]


@contextmanager
def atomic_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty staging folder that becomes ``target`` when the block ends without an error.

    All files are on disk before the rename that makes them visible. A process that is killed between the two renames
    of :func:`mtl_runtime.core.outputs.move_folder` leaves ``.<name>-old-*`` behind; a process that is killed earlier
    leaves ``.<name>-new-*``. Nothing reads either of them.

    Raises:
        MtlError: as :func:`mtl_runtime.core.outputs.check_folder`; or the folder appeared while the block ran, and may
            not be replaced: then what was written is kept next to it.
    """
    check_folder(target, replace=replace)
    with os_errors_as_mtl_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:100]}-new-"))
    complete = False
    try:
        staging.chmod(0o755)
        yield staging
        sync_tree(staging)
        complete = True
        move_folder(staging, target, replace=replace, advice=f"what was written is complete in {staging}")
    finally:
        if not complete:
            shutil.rmtree(staging, ignore_errors=True)


def sync_tree(folder: Path) -> None:
    """Force all files below ``folder``, and the folder itself, to disk."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)
