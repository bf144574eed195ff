"""Write a file so that it is either complete or absent."""

import errno
import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from mtl_runtime.core.outputs import check_file, move_file, os_errors_as_mtl_errors, sync

__all__ = ["atomic_file", "replace_text"]

_log = logging.getLogger(__name__)


@contextmanager
def atomic_file(target: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """A stream that becomes the file ``target`` when the block ends without an error.

    Errors of the block are raised as they are; only those of writing become MtlErrors about ``target``.

    Raises:
        MtlError: as :func:`mtl_runtime.core.outputs.check_file`; or the system refuses to write; or the file appeared
            while the block ran, and may not be replaced: then what was written is kept next to it.
    """
    check_file(target, replace=replace)
    staging = target.with_name(f".{target.name[:100]}-{os.urandom(4).hex()}")
    complete = False
    try:
        with os_errors_as_mtl_errors(target):
            raw = _StagingFile(target, staging)
        with io.BufferedWriter(raw) as stream:
            yield cast(BinaryIO, stream)
        with os_errors_as_mtl_errors(target):
            sync(staging)
        complete = True
        move_file(staging, target, replace=replace, advice=f"what was written is complete in {staging}")
        _log.debug("wrote %s", target)
    finally:
        if not complete:
            staging.unlink(missing_ok=True)


class _StagingFile(io.FileIO):
    """A new file whose errors are about the file that it will become."""

    def __init__(self, target: Path, staging: Path) -> None:
        self._target = target
        super().__init__(staging, "xb")

    def write(self, data: Any) -> int:
        with os_errors_as_mtl_errors(self._target):
            return super().write(data)


def replace_text(file: Path, content: str) -> None:
    """Write a small file whole or not at all, whoever else writes it at the same time; nothing is forced to disk.

    Raises:
        OSError: it cannot be written, or it or its folder is a link.
    """
    for place in (file, file.parent):
        if place.is_symlink():
            raise OSError(errno.ELOOP, "it is a link", str(place))
    new = file.with_name(f".{file.name}.{os.urandom(4).hex()}.new")
    try:
        with new.open("x", encoding="utf-8") as stream:
            stream.write(content)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
