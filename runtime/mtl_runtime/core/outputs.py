"""One rule for the outputs of every command: what exists is replaced only on demand, and a link never.

A command checks its output before it works (:func:`check_file`, :func:`check_folder`), writes next to it, and in the
end moves what it wrote to its place (:func:`move_file`, :func:`move_folder`). Another process may have written that
output meanwhile; unless it may be replaced, it stays. See docs/adr/0023-one-rule-for-outputs.md.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mtl_runtime.errors import MtlError
from mtl_runtime.wording import name_path

__all__ = [
    "check_file",
    "check_folder",
    "create_file",
    "move_file",
    "move_folder",
    "os_errors_as_mtl_errors",
    "refuse_link",
    "sync",
]


@contextmanager
def os_errors_as_mtl_errors(target: Path) -> Iterator[None]:
    """Turn an OSError in the block into an MtlError about ``target``."""
    try:
        yield
    except OSError as error:
        raise MtlError(f"{name_path(target)} cannot be written: {error.strerror or error}") from error


def refuse_link(target: Path) -> None:
    """Refuse an output that is a link, whether something is at its other end or not.

    Raises:
        MtlError: it is one.
    """
    with os_errors_as_mtl_errors(target):
        end = target.readlink() if target.is_symlink() else None
    if end is not None:
        raise MtlError(f"{name_path(target)} is a link to {name_path(end)}; name the output itself, not a link to it")


def _exists(target: Path) -> bool:
    with os_errors_as_mtl_errors(target):
        try:
            target.lstat()
        except FileNotFoundError:
            return False
        return True


def check_file(target: Path, *, replace: bool) -> None:
    """Fail early if the file ``target`` could not be written in the end.

    Raises:
        MtlError: it exists and ``replace`` is not set, or it is a link or not a regular file.
    """
    refuse_link(target)
    exists = _exists(target)
    if exists and not target.is_file():
        problem = "exists already and is not a regular file that could be replaced"
        raise MtlError(f"{name_path(target)} {problem}; name another output")
    if exists and not replace:
        raise MtlError(f"{name_path(target)} exists already; give --force to replace it")


def check_folder(target: Path, *, replace: bool) -> None:
    """Fail early if the folder ``target`` could not be written in the end; an empty one is no obstacle.

    Raises:
        MtlError: it exists and ``replace`` is not set, it is a link or not a folder, or it has no name of its own,
            such as ".".
    """
    refuse_link(target)
    if target.name in ("", ".."):
        raise MtlError(f"{name_path(target)} is no name of a folder to write; name another output")
    exists = _exists(target)
    if exists and not target.is_dir():
        raise MtlError(f"{name_path(target)} is not a folder; name another output")
    with os_errors_as_mtl_errors(target):
        has_content = exists and any(target.iterdir())
    if has_content and not replace:
        raise MtlError(f"{name_path(target)} exists already; name another output, or replace it with --force")


def move_file(staging: Path, target: Path, *, replace: bool, advice: str) -> None:
    """Move a complete file to its place, on disk.

    Args:
        staging: in the same file system.
        target: its place.
        replace: whether a file there may be replaced, whoever wrote it.
        advice: what to do if it may not be.

    Raises:
        MtlError: a file that may not be replaced has appeared there, or the system refuses; ``staging`` is still there.
    """
    _move(staging, target, _replace_file if replace else create_file, advice)


def move_folder(staging: Path, target: Path, *, replace: bool, advice: str) -> None:
    """Move a complete folder to its place, as :func:`move_file` does.

    A folder that is replaced is renamed to ``.<name>-old-*`` first and removed last.

    Raises:
        MtlError: as :func:`move_file`.
    """
    _move(staging, target, _replace_folder if replace else _create_folder, advice)


def _move(staging: Path, target: Path, move: Callable[[Path, Path], None], advice: str) -> None:
    refuse_link(target)
    try:
        move(staging, target)
        sync(target.parent)
    except OSError as error:
        if move in (create_file, _create_folder) and os.path.lexists(target):
            problem = f"{name_path(target)} appeared while this command worked, and is left as it is"
        else:
            problem = f"{name_path(target)} cannot be written: {error.strerror or error}"
        raise MtlError(f"{problem}; {advice}") from error


def _replace_file(staging: Path, target: Path) -> None:
    staging.replace(target)


def create_file(staging: Path, target: Path) -> None:
    """Rename a file where nothing is.

    Raises:
        FileExistsError: something is there.
    """
    if os.name == "nt":
        staging.rename(target)  # fails there if the target exists
        return
    try:
        os.link(staging, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: what appears in this very moment is not noticed
        if os.path.lexists(target):
            raise FileExistsError from None
        staging.rename(target)
    else:
        staging.unlink()


def _create_folder(staging: Path, target: Path) -> None:
    """Rename a folder where nothing is, or an empty folder; the system refuses any other target."""
    if os.name == "nt" and target.is_dir():
        target.rmdir()
    staging.rename(target)


def _replace_folder(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
        return
    old = target.with_name(f".{target.name}-old-{os.urandom(4).hex()}")
    target.rename(old)
    try:
        staging.rename(target)
    except OSError:
        old.rename(target)
        raise
    sync(target.parent)
    import shutil  # `load` imports this module, and never replaces a folder

    shutil.rmtree(old, ignore_errors=True)


def sync(path: Path) -> None:
    """Force a file, or on POSIX a folder, to disk."""
    if os.name != "posix" and path.is_dir():
        return  # only POSIX can open a folder
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
