"""Write a file so that it is either complete or absent, and replaces another file only if that is allowed."""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.errors import MtlError

__all__ = ["atomic_file", "check_can_write", "os_errors_as_mtl_errors", "replace_text", "sync"]

_log = logging.getLogger(__name__)


@contextmanager
def os_errors_as_mtl_errors(target: Path) -> Iterator[None]:
    """Turn an OSError in the block into an MtlError about ``target``."""
    try:
        yield
    except OSError as error:
        raise MtlError(f"{target} cannot be written: {error.strerror or error}") from error


def check_can_write(target: Path, *, replace: bool) -> None:
    """Fail early if ``target`` could not be written in the end.

    Raises:
        MtlError: ``target`` exists and ``replace`` is not set, or it is not a regular file.
    """
    if target.exists() and not target.is_file():
        raise MtlError(f"{target} exists already and is not a regular file that could be replaced; name another output")
    if target.exists() and not replace:
        raise MtlError(f"{target} exists already; give --force to replace it")


def sync(path: Path) -> None:
    """Force a file, or on POSIX a folder, to disk."""
    if os.name != "posix" and path.is_dir():
        return  # only POSIX can open a folder
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(target: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """A stream that becomes the file ``target`` when the block ends without an error.

    Raises:
        MtlError: as :func:`check_can_write`; or the system refuses to write.
    """
    check_can_write(target, replace=replace)
    staging = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        with os_errors_as_mtl_errors(target):
            with staging.open("xb") as stream:
                yield stream
            sync(staging)
            staging.replace(target)
            sync(target.parent)
        _log.debug("wrote %s", target)
    finally:
        staging.unlink(missing_ok=True)


def replace_text(file: Path, content: str) -> None:
    """Write a small file whole or not at all, whoever else writes it at the same time; nothing is forced to disk."""
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    try:
        new.write_text(content, "utf-8")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
