"""files, folders, patterns -> the files that they name, in a fixed order, each with what tells that it has changed."""

import glob
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from mtl_runtime.cluster.storage.file_systems import is_url, local_path, open_remote
from mtl_runtime.errors import MtlError, TableError
from mtl_runtime.wording import enumerate_names, name_path

__all__ = ["StoredFile", "find_file", "list_inputs", "open_stored"]

_BUFFER = 2**20  # bytes
_PATTERN = frozenset("*?[")
# What changes with a file's content, by the names that filesystems have for it; the first that is there counts.
_VERSION_KEYS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "created")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file and what is known of it without reading it."""

    path: str  # absolute, or a URL
    bytes: int
    version: str  # another one once the file was written again


def list_inputs(names: Iterable[str]) -> list[StoredFile]:
    """List the files behind ``names``: files, patterns with ``*``, and folders with all below them.

    Files of a folder or pattern are in the order of their paths. Names that start with ``_`` or ``.`` are left out, as
    engines do that write such files next to their data.

    Raises:
        MtlError: a name has no files, or two names have a file in common.
    """
    files: dict[str, StoredFile] = {}
    for name in names:
        found = sorted(
            _list_remote(name) if is_url(name) else _list_local(local_path(name)), key=lambda file: file.path
        )
        if not found:
            raise MtlError(f"{name_path(name)}: there is no such file, or nothing in it")
        if repeated := [file.path for file in found if file.path in files]:
            raise MtlError(f"{enumerate_names(repeated)}: named twice among the inputs; name each file once")
        files |= {file.path: file for file in found}
    return list(files.values())


def find_file(path: str) -> StoredFile:
    """Look at one file of :func:`list_inputs` again.

    Raises:
        TableError: it is gone.
    """
    try:
        if not is_url(path):
            return _local_file(path)
        remote = open_remote(path)
        remote.system.invalidate_cache(os.path.dirname(remote.path))  # noqa: PTH120 - a URL's path
        return _remote_file(path, remote.system.info(remote.path))
    except OSError as error:
        raise TableError(Path(path), f"cannot be opened: {error.strerror or error}") from error


def open_stored(path: str) -> BinaryIO:
    """Open a file for reading; it can seek.

    Raises:
        TableError: it cannot be opened.
    """
    try:
        if not is_url(path):
            return Path(path).open("rb")
        remote = open_remote(path)
        # Files of fsspec lack some methods of those on disk, such as readline with a limit.
        return io.BufferedReader(remote.system.open(remote.path, "rb"), _BUFFER)
    except OSError as error:
        raise TableError(Path(path), f"cannot be opened: {error.strerror or error}") from error


def _list_local(name: str) -> Iterator[StoredFile]:
    is_pattern = bool(_PATTERN & set(name)) and not Path(name).exists()
    matches = sorted(glob.glob(name, recursive=True)) if is_pattern else [name]  # noqa: PTH207 - Path has no such
    for match in matches:
        path = Path(match).absolute()
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = filter(_is_data, folders)
                yield from (_local_file(os.path.join(folder, name)) for name in filter(_is_data, names))  # noqa: PTH118
        elif path.exists():
            yield _local_file(str(path))


def _local_file(path: str) -> StoredFile:
    facts = Path(path).stat()
    return StoredFile(path=path, bytes=facts.st_size, version=str(facts.st_mtime_ns))


def _list_remote(url: str) -> Iterator[StoredFile]:
    remote = open_remote(url)
    system = remote.system
    system.invalidate_cache()
    try:
        if _PATTERN & set(remote.path):
            entries = system.glob(remote.path, detail=True)
        elif system.isdir(remote.path):
            entries = system.find(remote.path, detail=True)
        else:
            entries = {remote.path: system.info(remote.path)}
    except OSError as error:
        raise MtlError(f"{name_path(url)} cannot be listed: {error.strerror or error}") from error
    root = remote.path.rstrip("/")
    prefix = url.rstrip("/").removesuffix(root)  # scheme, and for some the host
    for path, facts in entries.items():
        below = path.removeprefix(root).strip("/").split("/") if path.startswith(f"{root}/") else []
        if facts["type"] == "file" and all(map(_is_data, below)):
            yield _remote_file(prefix + path, facts)


def _remote_file(url: str, facts: Mapping[str, Any]) -> StoredFile:
    version = next((facts[key] for key in _VERSION_KEYS if facts.get(key) is not None), "")
    if isinstance(version, datetime):  # some filesystems give a time as one, or as seconds
        version = version.timestamp()
    return StoredFile(path=url, bytes=facts["size"], version=str(version))


def _is_data(name: str) -> bool:
    return not name.startswith(("_", "."))
