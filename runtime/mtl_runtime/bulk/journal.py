"""a job -> its ledger: what is asked of which input, then a line of JSON for each chunk that is done."""

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

__all__ = ["SCHEMA_VERSION", "ChunkRecord", "Entry", "JobSpec", "JournalHeader", "entries", "read_start", "to_line"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """All that decides the bytes of an output; two runs of equal jobs write the same."""

    input: FileSpec  # the content counts, not the name or the date: hashing costs a thousandth of classifying
    bundle: str  # SHA-256 of its manifest
    variant: str
    provider: str
    max_batch_tokens: int = dataclasses.field(metadata=records.keys("max_batch_tokens", "token_budget"))
    workers: int
    threads: int
    long_text: LongText
    aggregate: Mapping[str, Aggregate]  # by task
    max_text_bytes: int
    machine: tuple[str, ...]  # processor, its telling flags, GPUs: other kernels may round otherwise
    versions: Mapping[str, str]  # package -> version
    tasks: tuple[str, ...]
    column: str
    probabilities: bool
    prefix: str
    input_format: str
    output_format: str
    chunk_rows: int
    chunk_characters: int

    @property
    def opening(self) -> dict[str, Any]:
        """Arguments of :func:`mtl_runtime.load` that open the classifier as it was."""
        return {
            "variant": self.variant,
            "threads": self.workers * self.threads,
            "workers": self.workers,
            "max_batch_tokens": self.max_batch_tokens,
            "long_text": self.long_text,
            "aggregate": self.aggregate,
            "max_text_bytes": self.max_text_bytes,
        }

    def difference(self, recorded: "JobSpec") -> str | None:
        """The first field in which ``recorded`` is another job; None: it is the same."""
        for field in dataclasses.fields(self):
            now, then = getattr(self, field.name), getattr(recorded, field.name)
            if now != then:
                return _difference(field.name, now, then)
        return None


def _difference(name: str, now: Any, then: Any) -> str:
    if isinstance(now, FileSpec):
        return "the input is another file, or was changed"
    if isinstance(now, Mapping):
        key = next(key for key in sorted({*now, *then}) if now.get(key) != then.get(key))
        return f"{name}[{key}] is {now.get(key, 'absent')} and was {then.get(key, 'absent')}"
    return f"{name} is {_shown(now)} and was {_shown(then)}"


def _shown(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHeader:
    """First line of a ledger."""

    schema_version: int
    job: JobSpec
    replace: bool  # whether the output may take the place of a file that is there


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRecord:
    """One chunk of the input that is answered, and the promise about what was written for it."""

    chunk: int  # from 0
    rows: int  # written
    truncated: int
    bad_rows: int
    output: FileSpec
    rejects: FileSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A further line of a ledger: a chunk, or the output as a whole, whose renaming follows."""

    done: ChunkRecord | None = None
    finished: FileSpec | None = None


def to_line(record: JournalHeader | Entry) -> bytes:
    """The record as a line."""
    return f"{json.dumps(records.to_dict(record), ensure_ascii=False)}\n".encode()


def read_start(path: Path) -> JournalHeader | None:
    """What the ledger at ``path`` is about; None: there is none, or not even its first line is whole.

    Raises:
        MtlError: it is no ledger that this version reads.
    """
    try:
        with path.open("rb") as stream:
            line = stream.readline()
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
        raise MtlError(f"{path} cannot be read ({error}); start anew with --force") from error
    raise MtlError(f"{path} has schema version {version}, this mtl-export reads {SCHEMA_VERSION}; start with --force")


def entries(path: Path) -> Iterator[tuple[Entry, int]]:
    """Entries of the ledger at ``path``, each with the offset of its line's end.

    They stop before a line that is not whole, or no entry.
    """
    with path.open("rb") as stream:
        offset = len(stream.readline())
        for line in stream:
            offset += len(line)
            if not line.endswith(b"\n"):
                return
            try:
                entry = records.from_json(Entry, line)
            except RecordError:  # as where a disk lost a block
                return
            yield entry, offset
