"""graph + provider + machine -> a folder in which the provider keeps what it compiled, trusted only if sealed.

Providers take up what lies in their cache as it is: OpenVINO ran a file with a flipped bit. So a folder is handed to
a provider only if every file in it has the SHA-256 that its seal names; any other is made anew, beside the old one.
"""

import hashlib
import json
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

_MANIFEST_NAME = "seal.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _CacheManifest:
    """Promise about all files of a folder."""

    files: Mapping[str, FileSpec] = field(default_factory=dict)


def cache_key(graph: FileSpec, provider: str, options: Mapping[str, str], machine: MachineFacts, version: str) -> str:
    """Name of the folder for a graph on a provider, with its options, on this processor, compiled by this version."""
    told = [graph.sha256, provider, sorted(options.items()), machine.cpu, machine.cpu_flags, version]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def compile_cache(key: str) -> AbstractContextManager[Path | None]:
    """A folder for the provider to read from or write to while a session is opened in the block.

    What lies there is hashed by this call. What was written becomes the folder of that key when the block ends
    without an error; of several processes at once the first one's stays, for others may read from it already. None
    for a user without a home.
    """
    cache = cache_folder()
    if cache is None:
        return nullcontext()
    kept = cache / "compiled" / key
    return nullcontext(kept) if _is_valid(kept) else _write_folder(kept)


@contextmanager
def _write_folder(kept: Path) -> Iterator[Path | None]:
    fresh = kept.with_name(f"{kept.name}.{secrets.token_hex(4)}.new")
    try:
        fresh.mkdir(parents=True, mode=0o700)
    except OSError:  # a home that may not be written: the provider compiles each time
        yield None
        return
    try:
        yield fresh
        _keep(fresh, kept)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _is_valid(folder: Path) -> bool:
    try:
        seal = records.from_json(_CacheManifest, (folder / _MANIFEST_NAME).read_bytes())
        return _files(folder) == seal.files
    except (OSError, RecordError):
        return False


def _files(folder: Path) -> dict[str, FileSpec]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != _MANIFEST_NAME)
    return {file.relative_to(folder).as_posix(): FileSpec.of_file(file) for file in sorted(files)}


def _keep(fresh: Path, kept: Path) -> None:
    """Seal what the provider wrote, and put it in place of what could not be trusted."""
    # A full disk costs the next start its time, not this one its session. And another process may do the same at
    # this moment: whoever comes second finds a folder and leaves it.
    with suppress(OSError):
        found = _files(fresh)
        if not found:
            return
        (fresh / _MANIFEST_NAME).write_text(records.to_json(_CacheManifest(files=found)), "utf-8")
        if kept.exists() and not _is_valid(kept):
            shutil.rmtree(kept)
        fresh.rename(kept)
