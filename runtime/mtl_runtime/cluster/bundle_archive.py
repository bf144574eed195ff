"""bundle folder <-> one value that an engine ships; each machine unpacks it once, into a folder named by its hash."""

import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from mtl_runtime.core.atomic_folder import atomic_folder
from mtl_runtime.core.user_cache import cache_folder

__all__ = ["pack_bundle", "unpack_bundle"]


def pack_bundle(folder: Path) -> bytes:
    """Put all files of a bundle into an archive, which is not compressed: graphs hardly get smaller."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return sink.getvalue()


def unpack_bundle(digest: str, read: Callable[[], bytes]) -> Path:
    """Unpack a bundle on this machine, unless that was done before; of several processes one does, the others wait.

    Args:
        digest: SHA-256 of the bundle's manifest. Whoever opens the bundle compares it with the manifest, and the
            manifest with each file, so that it does not matter who else can write to the folder.
        read: gets what :func:`pack_bundle` made.
    """
    from filelock import FileLock

    parent = _folder_of_bundles()
    folder = parent / digest
    parent.mkdir(parents=True, exist_ok=True)
    with FileLock(parent / f"{digest}.lock"):
        if not folder.exists():
            with atomic_folder(folder) as staging, zipfile.ZipFile(io.BytesIO(read())) as archive:
                archive.extractall(staging)
    return folder


def _folder_of_bundles() -> Path:
    """In the user's cache, or for a user without a home, in the folder for temporary files."""
    cache = cache_folder()
    name = "bundles"
    if cache is not None and os.access(next(path for path in (cache, *cache.parents) if path.exists()), os.W_OK):
        return cache / name
    return Path(tempfile.gettempdir()) / f"mtl-export-{os.environ.get('USER', 'user')}" / name
