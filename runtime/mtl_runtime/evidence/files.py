"""bundle -> its evidence, read from files in the bundle and in the user's cache."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.hub_cache import is_link_to_blob
from mtl_runtime.bundle.manifest import MANIFEST_NAME
from mtl_runtime.core import records
from mtl_runtime.core.user_cache import cache_folder
from mtl_runtime.errors import RecordError
from mtl_runtime.evidence.summary import READABLE_VERSIONS, EvidenceSummary, read_summary

if TYPE_CHECKING:
    from mtl_runtime.evidence.schema import Evidence

__all__ = ["EVIDENCE_FOLDER", "evidence_folders", "read_evidence", "read_evidence_summaries"]

EVIDENCE_FOLDER = "evidence"
_MOST_BYTES = 64 * 2**20


def read_evidence(bundle: Bundle) -> "list[Evidence]":
    """Evidence that was measured on exactly this bundle: the bundle's own, then that of this user's cache.

    Raises:
        RecordError: a file is malformed.
    """
    from mtl_runtime.evidence.schema import Evidence

    return [records.from_dict(Evidence, data, where=where) for where, data in _evidence(bundle)]


def read_evidence_summaries(bundle: Bundle) -> list[EvidenceSummary]:
    """Summaries of the same files in the same order, which decide what `load` opens.

    Raises:
        RecordError: what is read of a file is malformed.
    """
    return [read_summary(data, where=where) for where, data in _evidence(bundle)]


def evidence_folders(bundle: Bundle) -> tuple[Path, ...]:
    """Where new evidence may go, the best place first: the bundle, then the user's cache.

    For a bundle in a hub cache, whose folders are managed by the hub's client, it is the other way round.
    """
    inside, cached = bundle.path / EVIDENCE_FOLDER, _cached(bundle)
    if cached is None:
        return (inside,)
    return (cached, inside) if is_link_to_blob(bundle.path, MANIFEST_NAME) else (inside, cached)


def _cached(bundle: Bundle) -> Path | None:
    cache = cache_folder()
    return cache / EVIDENCE_FOLDER / bundle.digest if cache else None


def _files(bundle: Bundle) -> Iterator[Path]:
    for folder in (bundle.path / EVIDENCE_FOLDER, _cached(bundle)):
        if folder is not None:
            yield from sorted(file for file in folder.glob("*.json") if file.is_file())


def _evidence(bundle: Bundle) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of each file, except those of another bundle or of a schema that cannot be read."""
    for file in _files(bundle):
        where = f"{file.parent.name}/{file.name}"
        if file.stat().st_size > _MOST_BYTES:
            raise RecordError(where, f"is larger than {_MOST_BYTES:,} bytes, so it is no evidence; remove it")
        data = records.parse_json(file.read_bytes(), where=where)
        header = data if isinstance(data, dict) else {}
        if header.get("schema_version") in READABLE_VERSIONS and header.get("bundle_digest") == bundle.digest:
            yield where, data
