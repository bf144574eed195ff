"""The journal of a job: what it does with which input, then one JSON line for each finished chunk."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mtl_runtime.bulk.job_spec import JobSpec
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError, RecordError

__all__ = [
    "SCHEMA_VERSION",
    "ChunkRecord",
    "JournalEntry",
    "JournalHeader",
    "header_bytes",
    "read_entries",
    "read_header",
    "to_line",
]

SCHEMA_VERSION = 1

_LINE_BYTES = 2**20  # a line of a journal has at most so many


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHeader:
    """First line of a journal."""

    schema_version: int
    job: JobSpec
    replace: bool  # whether the output may replace an existing file


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRecord:
    """A finished chunk of the input, with size and hash of what was written for it."""

    chunk: int  # from 0
    rows: int  # written
    truncated: int
    bad_rows: int
    output: FileSpec
    rejects: FileSpec

    def __post_init__(self) -> None:
        if min(self.chunk, self.rows, self.bad_rows, self.truncated) < 0 or self.truncated > self.rows:
            raise RecordError("rows", "a chunk cannot have such numbers of rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A further line of a journal: a chunk, or the complete output, which is renamed next."""

    done: ChunkRecord | None = None
    finished: FileSpec | None = None


def to_line(record: JournalHeader | JournalEntry) -> bytes:
    """Write the record as a line."""
    return f"{json.dumps(records.to_dict(record), ensure_ascii=False)}\n".encode()


def read_header(path: Path) -> JournalHeader | None:
    """Read the first line of the journal at ``path``; None if there is no journal, or that line is incomplete.

    Raises:
        MtlError: it is not a journal that this version reads.
    """
    try:
        with path.open("rb") as stream:
            line = stream.readline(_LINE_BYTES)
    except FileNotFoundError:
        return None
    if not line.endswith(b"\n"):
        return None
    try:
        data = records.parse_json(line, where=path.name)
        version = data.get("schema_version") if isinstance(data, dict) else None
        if version == SCHEMA_VERSION:
            return records.from_dict(JournalHeader, data, where=path.name)
    except RecordError as error:
        raise MtlError(f"{path} cannot be read ({error}); start over with --force") from error
    message = f"{path} has schema version {version}, this mtl-export reads {SCHEMA_VERSION}; start over with --force"
    raise MtlError(message)


def header_bytes(path: Path) -> int:
    """Bytes of the first line of the journal at ``path``."""
    with path.open("rb") as stream:
        return len(stream.readline(_LINE_BYTES))


def read_entries(path: Path, job: JobSpec) -> Iterator[tuple[JournalEntry, int]]:
    """Yield the entries of the journal at ``path``, each with the offset where its line ends.

    They end before a line that is incomplete, no entry, or an entry that cannot be one of ``job``: a chunk out of its
    turn, or with more rows than chunks have.
    """
    chunks = 0
    with path.open("rb") as stream:
        offset = len(stream.readline(_LINE_BYTES))
        while (line := stream.readline(_LINE_BYTES)).endswith(b"\n"):
            offset += len(line)
            try:
                entry = records.from_json(JournalEntry, line)
            except RecordError:  # a disk may have lost a block
                return
            if entry.done is not None:
                if entry.done.chunk != chunks or entry.done.rows + entry.done.bad_rows > job.chunk_rows:
                    return
                chunks += 1
            yield entry, offset
