"""files, folders, patterns -> the files that they name, in a fixed order, each with what tells that it has changed."""

import glob
import io
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from mtl_runtime.cluster.storage.file_systems import is_url, local_path, open_remote, parts_below
from mtl_runtime.errors import MtlError, TableError
from mtl_runtime.wording import enumerate_names, name_path

__all__ = ["StoredFile", "find_file", "is_data", "list_inputs", "open_stored"]

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

    Files of a folder or pattern are in the order of their paths, those behind links too. Names that start with ``_`` or
    ``.`` are left out, as engines do that write such files next to their data, unless a pattern's last part does too.

    Raises:
        MtlError: a name has no files, or cannot be listed, or has something that is no file; or a file is named twice,
            by whatever names.
    """
    files: list[StoredFile] = []
    for name in names:
        try:
            found = list(_list_remote(name) if is_url(name) else _list_local(local_path(name)))
        except OSError as error:
            place = error.filename if isinstance(error.filename, str) else name
            raise MtlError(f"{name_path(place)} cannot be listed: {error.strerror or error}") from error
        if not found:
            raise MtlError(f"{name_path(name)}: there is no such file, or nothing in it")
        files += sorted({file.path: file for file in found}.values(), key=lambda file: file.path)
    identities = list(map(_identify, files))
    times = Counter(identities)
    if repeated := [file.path for file, identity in zip(files, identities, strict=True) if times[identity] > 1]:
        raise MtlError(
            f"{enumerate_names(dict.fromkeys(repeated))}: the same file twice among the inputs; name it once"
        )
    return files


def _identify(file: StoredFile) -> str:
    """Its path without links."""
    return file.path if is_url(file.path) else os.path.realpath(file.path)


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
    name = name.replace(os.sep, "/")
    matches = [name]
    if _PATTERN & set(name) and not Path(name).exists():
        root = _root_of(name)
        found = glob.glob(name, recursive=True)  # noqa: PTH207 - Path has no such
        matches = sorted(match for match in found if _is_below_data(match, root, name))
    walked: set[str] = set()  # folders without links, some of which lead back
    for match in matches:
        # What `..` means depends on the links before it.
        path = os.path.realpath(match) if ".." in Path(match).parts else str(Path(match).absolute())
        if Path(path).is_dir():
            yield from _walk(path, walked)
        elif Path(path).exists():
            yield _local_file(path)


def _walk(top: str, walked: set[str]) -> Iterator[StoredFile]:
    for folder, folders, names in os.walk(top, onerror=_raise, followlinks=True):
        real = os.path.realpath(folder)
        above = os.path.realpath(Path(folder).parent)
        if real in walked or (folder != top and parts_below(above, real) is not None):
            folders.clear()
            continue
        walked.add(real)
        folders[:] = sorted(filter(is_data, folders))
        yield from (_local_file(os.path.join(folder, name)) for name in filter(is_data, names))  # noqa: PTH118


def _raise(error: OSError) -> None:
    raise error


def _local_file(path: str) -> StoredFile:
    facts = Path(path).stat()
    if not stat.S_ISREG(facts.st_mode):
        raise MtlError(f"{name_path(path)} is no file that can be read twice; write what it gives to a file first")
    return StoredFile(path=path, bytes=facts.st_size, version=str(facts.st_mtime_ns))


def _root_of(pattern: str) -> str:
    """The folder before the first part with a wildcard."""
    parts = pattern.split("/")
    first = next(number for number, part in enumerate(parts) if _PATTERN & set(part))
    return "/".join(parts[:first])


def _is_below_data(path: str, root: str, pattern: str) -> bool:
    """Whether no part of ``path`` below ``root`` is hidden, or the pattern asks for hidden ones."""
    below = path.replace(os.sep, "/").removeprefix(root).strip("/").split("/")
    return not is_data(pattern.rpartition("/")[2]) or all(map(is_data, below))


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
    named = remote.path.rstrip("/")
    prefix = url.rstrip("/").removesuffix(named)  # scheme, and for some the host
    root = _root_of(named) if _PATTERN & set(named) else named
    for path, facts in entries.items():
        if facts["type"] == "file" and (path == named or _is_below_data(path, root, named)):
            yield _remote_file(prefix + path, facts)


def _remote_file(url: str, facts: Mapping[str, Any]) -> StoredFile:
    version = next((facts[key] for key in _VERSION_KEYS if facts.get(key) is not None), "")
    if isinstance(version, datetime):  # some filesystems give a time as one, or as seconds
        version = version.timestamp()
    return StoredFile(path=url, bytes=facts["size"], version=str(version))


def is_data(name: str) -> bool:
    """Whether readers of folders take a file or folder of this name."""
    return not name.startswith(("_", "."))
