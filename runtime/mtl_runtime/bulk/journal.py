"""The journal of a job: what it does with which input, then one JSON line for each finished chunk."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError, RecordError
from mtl_runtime.text.validation import Aggregate, LongText

__all__ = [
    "SCHEMA_VERSION",
    "ChunkRecord",
    "JobSpec",
    "JournalEntry",
    "JournalHeader",
    "header_bytes",
    "read_entries",
    "read_header",
    "to_line",
]

SCHEMA_VERSION = 1

_LINE_BYTES = 2**20  # a line of a journal has at most so many
# A resumed job opens the bundle with these numbers, before it is compared with the one that is asked for.
_MOST_THREADS = 4096
_MOST_BATCH_TOKENS = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Everything that decides the bytes of an output; two runs of equal jobs write the same."""

    input: FileSpec  # the content counts, not name or date: hashing costs a thousandth of classifying
    bundle: str  # SHA-256 of its manifest
    variant: str
    provider: str
    max_batch_tokens: int = dataclasses.field(metadata=records.keys("max_batch_tokens", "token_budget"))
    workers: int
    threads: int
    long_text: LongText
    aggregate: Mapping[str, Aggregate]  # by task
    max_text_bytes: int
    machine: tuple[str, ...]  # processor, its relevant flags, GPUs: other kernels may round differently
    versions: Mapping[str, str]  # package -> version
    tasks: tuple[str, ...]
    column: str
    probabilities: bool
    prefix: str
    input_format: str
    output_format: str
    chunk_rows: int
    chunk_characters: int

    def __post_init__(self) -> None:
        if not (self.workers >= 1 and self.threads >= 1 and self.workers * self.threads <= _MOST_THREADS):
            raise RecordError("threads", f"no job has {self.workers} workers with {self.threads} threads each")
        if not 1 <= self.max_batch_tokens <= _MOST_BATCH_TOKENS:
            raise RecordError("max_batch_tokens", f"{self.max_batch_tokens} is not between 1 and {_MOST_BATCH_TOKENS}")
        for name in ("max_text_bytes", "chunk_rows", "chunk_characters"):
            if getattr(self, name) < 1:
                raise RecordError(name, f"{getattr(self, name)} is less than 1")

    @property
    def load_arguments(self) -> dict[str, Any]:
        """Arguments of :func:`mtl_runtime.load` that open the same classifier again."""
        return {
            "variant": self.variant,
            "threads": self.workers * self.threads,
            "workers": self.workers,
            "max_batch_tokens": self.max_batch_tokens,
            "long_text": self.long_text,
            "aggregate": self.aggregate,
            "max_text_bytes": self.max_text_bytes,
        }

    def describe_difference(self, recorded: "JobSpec") -> str | None:
        """Describe the first field in which ``recorded`` differs from this job; None if they are equal."""
        for field in dataclasses.fields(self):
            now, then = getattr(self, field.name), getattr(recorded, field.name)
            if now != then:
                return _describe_change(field.name, now, then)
        return None


def _describe_change(name: str, now: Any, then: Any) -> str:
    if isinstance(now, FileSpec):
        return "the input is another file, or was changed"
    if isinstance(now, Mapping):
        key = next(key for key in sorted({*now, *then}) if now.get(key) != then.get(key))
        return f"{name}[{key}] is {now.get(key, 'absent')} and was {then.get(key, 'absent')}"
    return f"{name} is {_to_json(now)} and was {_to_json(then)}"


def _to_json(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


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
