"""graph + provider + machine -> a folder for what the provider compiles, used again only if its hashes match.

Providers use whatever lies in their cache: OpenVINO ran a file with a flipped bit. So a provider gets a folder only if
every file in it has the SHA-256 that the folder's manifest names; otherwise the provider compiles into a new folder.
"""

import hashlib
import json
import logging
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.core.user_cache import cache_folder
from mtl_runtime.errors import RecordError

__all__ = ["cache_key", "compile_cache"]

_log = logging.getLogger(__name__)

_MANIFEST_NAME = "seal.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _CacheManifest:
    """Size and hash of every file in a folder."""

    files: Mapping[str, FileSpec] = field(default_factory=dict)


def cache_key(graph: FileSpec, provider: str, options: Mapping[str, str], machine: MachineFacts, version: str) -> str:
    """Name the folder for a graph compiled by this version of a provider, with its options, on this processor."""
    facts = [graph.sha256, provider, sorted(options.items()), machine.cpu, machine.cpu_flags, version]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def compile_cache(key: str) -> AbstractContextManager[Path | None]:
    """Give the block a folder that the provider reads from or writes to while a session is opened.

    This call hashes the files in the folder. What the provider wrote is published under ``key`` when the block ends
    without an error; of several processes that do so at once the first wins, since others may read its folder already.
    The block gets None for a user without a home.
    """
    cache = cache_folder()
    if cache is None:
        _log.info("nothing is cached for a user without a home: the provider compiles the graph")
        return nullcontext()
    folder = cache / "compiled" / key
    if _is_valid(folder):
        _log.info("cache hit: the compiled graph is in %s", folder)
        return nullcontext(folder)
    _log.info("cache miss: the provider compiles the graph into %s", folder)
    return _write_folder(folder)


@contextmanager
def _write_folder(folder: Path) -> Iterator[Path | None]:
    staging = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.new")
    try:
        staging.mkdir(parents=True, mode=0o700)
    except OSError:  # a home that may not be written: the provider compiles each time
        _log.debug("%s cannot be written", staging, exc_info=True)
        yield None
        return
    try:
        yield staging
        _publish(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _is_valid(folder: Path) -> bool:
    try:
        manifest = records.from_json(_CacheManifest, (folder / _MANIFEST_NAME).read_bytes())
        return _hash_files(folder) == manifest.files
    except (OSError, RecordError):
        return False


def _hash_files(folder: Path) -> dict[str, FileSpec]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != _MANIFEST_NAME)
    return {file.relative_to(folder).as_posix(): FileSpec.of_file(file) for file in sorted(files)}


def _publish(staging: Path, folder: Path) -> None:
    """Write the manifest of what the provider compiled, and move it to ``folder`` unless a valid one is there."""
    # A full disk costs the next start its time, not this one its session. And another process may do the same at
    # this moment: the second one finds a folder and leaves it.
    with suppress(OSError):
        files = _hash_files(staging)
        if not files:
            return
        (staging / _MANIFEST_NAME).write_text(records.to_json(_CacheManifest(files=files)), "utf-8")
        if folder.exists() and not _is_valid(folder):
            shutil.rmtree(folder)
        staging.rename(folder)
