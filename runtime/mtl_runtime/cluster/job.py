"""The values of a sharded job: what it computes from which files, its shards, and what became of each of them."""

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property

from mtl_runtime.bulk.job_spec import AnswerSpec
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.cluster.storage.input_files import StoredFile
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError, RecordError
from mtl_runtime.tables.table import FORMATS, TableFormat, TableRange

__all__ = ["SCHEMA_VERSION", "FailureRecord", "InputFile", "PartRecord", "Shard", "ShardedJob", "ShardedSpec"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardedSpec(AnswerSpec):
    """Everything but the input files and the machines that decides the bytes of the parts."""

    shard_rows: int | None  # that were asked for; None: by the sizes of the files
    max_row_bytes: int

    @property
    def table_format(self) -> TableFormat:
        """The format of the parts.

        Raises:
            RecordError: the record names another than those that can be written.
        """
        if self.output_format not in FORMATS:
            raise RecordError("output_format", f"{self.output_format!r} is no format of tables")
        return self.output_format


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile(StoredFile):
    """A file, and what its first bytes or its footer say of all its shards."""

    format: TableFormat
    header_bytes: int = 0  # csv that is cut: bytes before its first row
    columns: tuple[str, ...] = ()  # jsonl: keys of its first records
    # Base64 of what gives parquet parts their schema, where the file has none and its first rows decide it.
    schema: str = dataclasses.field(default="", metadata=records.if_set())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Consecutive rows of one input file, whose answers are one part."""

    input: int  # position of the file among the job's
    start: int  # as in TableRange; both 0: the whole file
    stop: int
    lines_before: int = 0
    bytes: int  # of the file that it reads, for estimates
    rows: int | None = None  # None: not known before they are read

    @property
    def is_whole_file(self) -> bool:
        """Whether it is all of its file."""
        return self.start == self.stop == 0

    def range_in(self, file: InputFile) -> TableRange | None:
        """The rows to read; None: all of ``file``."""
        if self.is_whole_file and file.format != "jsonl":
            return None
        stop = file.bytes if self.is_whole_file else self.stop
        return TableRange(
            start=self.start,
            stop=stop,
            header_bytes=file.header_bytes,
            lines_before=self.lines_before,
            columns=file.columns,
        )


@dataclass(frozen=True, kw_only=True)
class ShardedJob:
    """The file ``_mtl/job.json``; two jobs whose files are equal write the same parts."""

    schema_version: int = SCHEMA_VERSION
    spec: ShardedSpec
    inputs: tuple[InputFile, ...]
    shards: tuple[Shard, ...]

    @classmethod
    def from_json(cls, data: bytes, *, where: str) -> "ShardedJob":
        """Read the file.

        Raises:
            MtlError: it is no such file, or one of another version.
        """
        advice = "start over with --force"
        try:
            content = records.parse_json(data, where=where)
            version = content.get("schema_version") if isinstance(content, dict) else None
            if version != SCHEMA_VERSION:
                raise MtlError(
                    f"{where} has schema version {version}, this mtl-export reads {SCHEMA_VERSION}; {advice}"
                )
            return records.from_dict(cls, content, where=where)
        except RecordError as error:
            raise MtlError(f"{where} cannot be read ({error}); {advice}") from error

    @cached_property
    def json(self) -> bytes:
        """The bytes of the file."""
        return records.to_json(self).encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file: the job's identity."""
        return hashlib.sha256(self.json).hexdigest()

    def part_name(self, shard: int) -> str:
        """Name of the part of a shard: parts sort as their rows do, and those of another job have other names."""
        return f"part-{shard:06d}-{self.digest[:8]}.{self.spec.output_format}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """A complete part: ``_mtl/done/<shard>.json``, written after it."""

    job: str  # digest
    shard: int
    name: str
    rows: int  # written
    truncated: int
    bad_rows: int
    output: FileSpec
    rejects: FileSpec | None  # None: there are no bad rows
    seconds: float  # that it took
    finished: float  # seconds since 1970
    host: str
    machine: str  # kind of processor: another one may round differently


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecord:
    """A shard that was given up: ``_mtl/failed/<shard>.json``."""

    job: str
    shard: int
    attempts: int
    error: str
    host: str
