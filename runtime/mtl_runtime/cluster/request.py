"""What a caller asks of a sharded job, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtl_runtime.bulk.request import OnBadRow
from mtl_runtime.tables.row_chunks import ChunkLimits
from mtl_runtime.tables.table import TableFormat
from mtl_runtime.tables.text_lines import DEFAULT_MAX_ROW_BYTES

__all__ = ["FilesRequest", "FilesSummary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRequest:
    """Which files are answered, and where the answers go."""

    bundle: Path
    inputs: Sequence[str]  # files, folders and patterns, by path or URL
    output: str  # folder, by path or URL
    load_options: Mapping[str, Any] = field(default_factory=dict)  # of mtl_runtime.load; threads: of each process
    tasks: Sequence[str] | None = None  # None: all
    column: str | None = None  # None: as in training, where the first file has such a column
    probabilities: bool = False
    prefix: str = ""
    input_format: TableFormat | None = None  # None: by the suffixes
    output_format: TableFormat | None = None  # None: that of the first file; csv for txt
    on_bad_row: OnBadRow = "error"
    rejects: str | None = None  # folder for the bad rows, a file for each part that has some; then they are no error
    resume: bool = False
    overwrite: bool = False
    shard_rows: int | None = None  # None: by the sizes of the files
    attempts: int = 5  # at a shard, until it is given up
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES
    limits: ChunkLimits = field(default_factory=ChunkLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSummary:
    """What became of the files."""

    shards: int  # of the job
    done: int  # shards whose parts are complete, by whichever process
    rows: int  # in those parts
    truncated: int
    bad_rows: int
    is_complete: bool  # the output has its manifest
    finished_before: bool = False  # all of this is the work of earlier runs
