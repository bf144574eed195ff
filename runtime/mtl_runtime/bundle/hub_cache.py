"""folder + name -> the regular file that holds its bytes, also where a hub's cache keeps a link in its place."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["display_name", "find_regular_file", "is_link_to_blob"]

_SNAPSHOTS, _BLOBS = "snapshots", "blobs"


def find_regular_file(folder: Path, name: str) -> Path | None:
    """Find the regular file behind ``folder/name``; None where there is none, or where a link leads elsewhere.

    huggingface_hub stores each content once and fills ``<repository>/snapshots/<revision>`` with links to it. The path
    that is returned has no link in its last part, so what is hashed there is what is read there, even if the link is
    replaced meanwhile.
    """
    file = folder / name
    if file.is_symlink():
        return _blob(folder, file)
    return file if file.is_file() else None


def display_name(folder: Path) -> str:
    """Name ``folder`` as people know it: by its own name, or a snapshot of a hub by its repository's id."""
    folder = folder.absolute()
    kind, *names = folder.parent.parent.name.split("--")
    is_snapshot = folder.parent.name == _SNAPSHOTS and kind == "models" and names
    return "/".join(names) if is_snapshot else folder.name


def is_link_to_blob(folder: Path, name: str) -> bool:
    """Whether ``folder/name`` is such a link: then the folder belongs to the cache, and to whoever manages that."""
    file = folder / name
    return file.is_symlink() and _blob(folder, file) is not None


def _blob(folder: Path, link: Path) -> Path | None:
    """The regular file that ``link`` leads to, if it lies among the blobs of the repository that holds ``folder``."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle
        return None
    inside = any(target.is_relative_to(blobs) for blobs in _blob_folders(folder.resolve()))
    return target if inside and target.is_file() else None


def _blob_folders(folder: Path) -> Iterator[Path]:
    """Where the cache around ``folder`` keeps contents: for the repository, and for all repositories together."""
    for revision in (folder, *folder.parents):
        if revision.parent.name == _SNAPSHOTS:
            repository = revision.parent.parent
            yield repository / _BLOBS
            yield repository.parent / _BLOBS
            return
