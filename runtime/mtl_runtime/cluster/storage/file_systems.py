"""URL -> the filesystem behind it, by fsspec or pyarrow.fs."""

import os
from dataclasses import dataclass
from typing import Any

from mtl_runtime.errors import MissingPackageError, MtlError
from mtl_runtime.wording import name_path

__all__ = ["RemotePath", "is_url", "local_path", "open_remote", "parts_below"]


def is_url(name: str) -> bool:
    """Whether ``name`` names something on another filesystem than this machine's."""
    return "://" in name and not name.startswith("file://")


def local_path(name: str) -> str:
    """The path that ``name``, a path or a URL with file://, stands for."""
    return name.removeprefix("file://")


def parts_below(place: str, folder: str) -> tuple[str, ...] | None:
    """The names that lead from ``folder`` to ``place``, none where they are the same; None: it is not below it."""
    place, folder = (
        name.rstrip("/") if is_url(name) else os.path.realpath(local_path(name)) for name in (place, folder)
    )
    if place == folder:
        return ()
    below = place.removeprefix(folder.rstrip(os.sep))
    return None if below == place or below[0] not in {"/", os.sep} else tuple(below[1:].replace(os.sep, "/").split("/"))


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A path on a filesystem of fsspec."""

    system: Any  # fsspec.AbstractFileSystem
    path: str


def open_remote(url: str) -> RemotePath:
    """Find the filesystem of ``url``: fsspec's own, or where its package is not installed, that of pyarrow.

    Credentials and endpoints come from where these libraries look for them, such as AWS_ENDPOINT_URL, or from fsspec's
    configuration (FSSPEC_S3_ENDPOINT_URL and the like).

    Raises:
        MissingPackageError: neither knows such URLs as installed here.
        MtlError: the URL is malformed, or the filesystem cannot be reached.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingPackageError(f"{name_path(url)} needs fsspec; run `pip install fsspec`") from error
    try:
        return RemotePath(*fsspec.core.url_to_fs(url))
    except ImportError as error:
        remote = _open_with_pyarrow(url)
        if remote is None:
            raise MissingPackageError(f"{name_path(url)} cannot be opened: {error}") from error
        return remote
    except ValueError as error:
        raise MtlError(f"{name_path(url)} cannot be opened: {error}") from error


def _open_with_pyarrow(url: str) -> RemotePath | None:
    try:
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow import fs
    except ImportError:
        return None
    try:
        system, path = fs.FileSystem.from_uri(url)
    except (ValueError, OSError):  # no such scheme, or it is not compiled in
        return None
    return RemotePath(ArrowFSWrapper(system), path)
