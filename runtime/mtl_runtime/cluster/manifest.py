"""job + records of its parts -> the manifest of the output, and what of the output differs from it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mtl_runtime.cluster.job import PartRecord, ShardedJob
from mtl_runtime.cluster.job_folder import MANIFEST, SUCCESS, JobFolder
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError, RecordError

__all__ = ["OutputProblem", "PartEntry", "PartManifest", "check_output", "make_manifest", "read_manifest"]

_PIECE_BYTES = 2**20
_THREADS = 8  # that hash parts


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEntry:
    """A part, and the rows that it answers."""

    name: str
    input: str  # path or URL of the file
    start: int  # as in TableRange; both 0: the whole file
    stop: int
    rows: int
    truncated: int
    bad_rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartManifest:
    """The file ``_manifest.json``; the same job gives the same bytes, whatever ran it."""

    schema_version: int
    job: str  # digest
    bundle: str  # SHA-256 of its manifest
    variant: str
    rows: int
    truncated: int
    bad_rows: int
    parts: tuple[PartEntry, ...]


def make_manifest(job: ShardedJob, done: Mapping[int, PartRecord]) -> tuple[PartManifest, bytes, bytes]:
    """Make the manifest of a job whose shards are all ``done``: as a value, its bytes, and those of the last mark."""
    parts = [_entry(job, done[number]) for number in range(len(job.shards))]
    manifest = PartManifest(
        schema_version=job.schema_version,
        job=job.digest,
        bundle=job.spec.bundle,
        variant=job.spec.variant,
        rows=sum(part.rows for part in parts),
        truncated=sum(part.truncated for part in parts),
        bad_rows=sum(part.bad_rows for part in parts),
        parts=tuple(parts),
    )
    data = records.to_json(manifest).encode()
    return manifest, data, f"{hashlib.sha256(data).hexdigest()}\n".encode()


def _entry(job: ShardedJob, record: PartRecord) -> PartEntry:
    shard = job.shards[record.shard]
    return PartEntry(
        name=record.name,
        input=job.inputs[shard.input].path,
        start=shard.start,
        stop=shard.stop,
        rows=record.rows,
        truncated=record.truncated,
        bad_rows=record.bad_rows,
        bytes=record.output.bytes,
        sha256=record.output.sha256,
    )


def read_manifest(folder: JobFolder) -> PartManifest:
    """Read the manifest of a complete output.

    Raises:
        MtlError: the output is not complete, or the manifest is not the one that was written.
    """
    success, data = folder.store.read(SUCCESS), folder.store.read(MANIFEST)
    if success is None or data is None:
        missing = SUCCESS if success is None else MANIFEST
        raise MtlError(f"{folder.name} is not complete: it has no {missing}; --resume continues the job")
    if hashlib.sha256(data).hexdigest() != success.decode("ascii", "replace").strip():
        raise MtlError(f"{folder.name}/{MANIFEST} was changed: its SHA-256 is not the one in {SUCCESS}")
    try:
        return records.from_json(PartManifest, data, where=MANIFEST)
    except RecordError as error:
        raise MtlError(f"{folder.name}/{MANIFEST} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class OutputProblem:
    """A file of the output that is not as the manifest says."""

    name: str
    problem: str


def check_output(folder: JobFolder, manifest: PartManifest) -> Iterator[OutputProblem]:
    """Compare the parts with the manifest, each byte of them, and yield what differs, in the order of the parts."""
    sizes = folder.store.list()
    listed = {part.name for part in manifest.parts}
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from filter(None, threads.map(lambda part: _compare(folder, part, sizes.get(part.name)), manifest.parts))
    folders = (f"{name}/" for name in folder.store.list_folders())
    for name in sorted(_foreign_names((*sizes, *folders), listed)):
        yield OutputProblem(name, "it is no part of this job; who reads the folder would read its rows too")


def _foreign_names(names: Iterable[str], listed: set[str]) -> Iterator[str]:
    """Files and folders that a reader of the folder would take for parts."""
    return (name for name in names if name not in listed and not name.startswith(("_", ".")))


def _compare(folder: JobFolder, part: PartEntry, size: int | None) -> OutputProblem | None:
    if size is None:
        return OutputProblem(part.name, "it is missing")
    if size != part.bytes:
        return OutputProblem(part.name, f"it has {size:,} bytes, and had {part.bytes:,}")
    if _hash(folder, part.name) != part.sha256:
        return OutputProblem(part.name, "its bytes were changed")
    return None


def _hash(folder: JobFolder, name: str) -> str:
    digest = hashlib.sha256()
    with folder.store.open(name) as stream:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
