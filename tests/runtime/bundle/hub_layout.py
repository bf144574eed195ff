"""A folder as huggingface_hub downloads it: contents under their hashes, and a snapshot of links to them."""

import hashlib
import os
from pathlib import Path


def snapshot_of(folder: Path, cache: Path, *, inside: str = "", shared: bool = False) -> Path:
    """Download ``folder`` into the hub cache ``cache``; return the folder of links that stands for it.

    Args:
        folder: what was uploaded.
        cache: holds all repositories.
        inside: the folder's path in the repository.
        shared: keep contents in the cache's own store, to which the repository's blobs are links.
    """
    repository = cache / "models--somebody--something"
    snapshot = repository / "snapshots" / ("0123456789" * 4)
    contents = {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    for name, content in contents.items():
        _link(snapshot / inside / name, _store(repository, content, shared=shared))
    _link(
        snapshot / ".gitattributes", _store(repository, b"*.onnx filter=lfs diff=lfs merge=lfs -text\n", shared=False)
    )
    return snapshot / inside


def _store(repository: Path, content: bytes, *, shared: bool) -> Path:
    digest = hashlib.sha256(content).hexdigest()
    blob = repository / "blobs" / digest
    blob.parent.mkdir(parents=True, exist_ok=True)
    if not shared:
        blob.write_bytes(content)
        return blob
    store = repository.parent / "blobs" / digest[:2] / digest
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_bytes(content)
    _link(blob, store)
    return blob


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent))
