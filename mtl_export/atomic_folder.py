"""Write a folder that is whole or absent: staged next to its target, synced to disk, renamed."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtl_export.errors import ConfigError
from mtl_runtime.core.atomic_file import sync

__all__ = ["atomic_folder", "check_can_write", "sync_tree"]


def check_can_write(target: Path, *, force: bool) -> None:
    """Refuse to overwrite what exists, before any work is done.

    Raises:
        ConfigError: ``target`` exists and ``force`` is not set, or it is not a folder.
    """
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target} is not a folder; name another output")
    if target.exists() and any(target.iterdir()) and not force:
        raise ConfigError(f"{target} exists already; name another output, or replace it with --force")


@contextmanager
def atomic_folder(target: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty staging folder that becomes ``target`` when the block ends without an error.

    All files are on disk before the rename that makes them visible. A folder that is replaced is renamed to
    ``.<name>-old-*`` first and removed last. A process that is killed between the two renames leaves that
    folder behind; a process that is killed earlier leaves ``.<name>-new-*``. Nothing reads either of them.

    Raises:
        ConfigError: as :func:`check_can_write`.
    """
    check_can_write(target, force=force)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-new-"))
    try:
        staging.chmod(0o755)
        yield staging
        sync_tree(staging)
        _replace(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def sync_tree(folder: Path) -> None:
    """Force all files below ``folder``, and the folder itself, to disk."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def _replace(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
        sync(target.parent)
        return
    old = target.with_name(f".{target.name}-old-{secrets.token_hex(4)}")
    target.rename(old)
    try:
        staging.rename(target)
    except OSError:
        old.rename(target)
        raise
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)
