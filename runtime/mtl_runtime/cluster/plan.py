"""input files -> shards: consecutive rows of one file each, the same for the same files and sizes."""

import base64
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.bulk.job_spec import answer_facts
from mtl_runtime.bulk.request import PredictJob
from mtl_runtime.bulk.row_predictions import PredictionColumns
from mtl_runtime.cluster.job import InputFile, Shard, ShardedJob, ShardedSpec
from mtl_runtime.cluster.storage.input_files import StoredFile, open_stored
from mtl_runtime.tables.delimited.reader import find_row_starts
from mtl_runtime.tables.parquet import list_row_groups
from mtl_runtime.tables.row_chunks import chunk_rows
from mtl_runtime.tables.table import Table, TableFormat, TableSource, format_of
from mtl_runtime.tables.text_lines import ends_lines_with_cr
from mtl_runtime.tables.writers import encode_empty_piece

__all__ = ["ShardSize", "plan_job"]

_log = logging.getLogger(__name__)

# By default there are about so many shards, within these sizes: a worker that is lost has minutes of work, and the last
# shards of a job take little of its time.
_SHARDS = 20_000
_LEAST_BYTES, _MOST_BYTES = 2**22, 2**28
_SAMPLE_BYTES = 2**20  # of a jsonl or txt file, to know how long its rows are
_OPEN_FILES = 16


@dataclass(frozen=True, slots=True)
class ShardSize:
    """Where a shard ends: after so many rows, or if they are None, after so many bytes."""

    rows: int | None
    bytes: int

    @classmethod
    def choose(cls, rows: int | None, files: Sequence[StoredFile]) -> "ShardSize":
        """``rows`` if they are given; else by what the files have together."""
        total = sum(file.bytes for file in files)
        return cls(rows, min(max(total // _SHARDS, _LEAST_BYTES), _MOST_BYTES))

    def is_reached(self, rows: int, size: int) -> bool:
        """Whether a shard of so many rows and bytes is large enough."""
        return rows >= self.rows if self.rows is not None else size >= self.bytes


def plan_job(
    job: PredictJob, files: Sequence[StoredFile], *, shard_rows: int | None, input_format: TableFormat | None
) -> ShardedJob:
    """Look into each file and cut it into shards: parquet between row groups, csv, jsonl and txt between rows.

    A tsv and a file whose lines end with CR alone are one shard: no part of them can be read without the rest.

    Args:
        job: what is computed; its ``input_format`` does not count.
        files: the inputs, in the order of the parts.
        shard_rows: of a shard, about; default: by the sizes of the files.
        input_format: of all files; default: by their suffixes.

    Raises:
        TableError: a file is malformed, or lacks the texts, or has a column with the name of an answer's column.
        MissingPackageError: a file is parquet and pyarrow is not installed.
    """
    size = ShardSize.choose(shard_rows, files)
    formats = [input_format or format_of(Path(file.path)) for file in files]
    first = _inspect(job, files[0], formats[0], size)
    named = dataclasses.replace(job, text_column=first.columns.text_column)
    with ThreadPoolExecutor(_OPEN_FILES) as threads:
        rest = threads.map(lambda file, kind: _inspect(named, file, kind, size), files[1:], formats[1:])
        inspected = [first, *rest]
    shards = [dataclasses.replace(shard, input=index) for index, file in enumerate(inspected) for shard in file.shards]
    _log.info("%d input files are cut into %d shards", len(files), len(shards))
    return ShardedJob(
        spec=ShardedSpec(**answer_facts(job, first.columns), shard_rows=shard_rows, max_row_bytes=job.max_row_bytes),
        inputs=tuple(file.file for file in inspected),
        shards=tuple(shards),
    )


@dataclass(frozen=True, slots=True)
class _Inspected:
    file: InputFile
    columns: PredictionColumns
    shards: Sequence[Shard]


def _inspect(job: PredictJob, stored: StoredFile, format: TableFormat, size: ShardSize) -> _Inspected:
    path, job = Path(stored.path), dataclasses.replace(job, input_format=format)
    with open_stored(stored.path) as stream, job.open_table(path, stream) as table:
        columns = job.columns_of(table)
        columns.check(table)
        schema = _find_schema(job, columns, table)
        file = InputFile(
            path=stored.path,
            bytes=stored.bytes,
            version=stored.version,
            format=format,
            columns=table.columns if format == "jsonl" else (),
            schema=base64.b64encode(schema).decode(),
        )
        stream.seek(0)
        shards = list(_CUTTERS[format](TableSource(path, format, stream, job.text_candidates), stored.bytes, size))
        if format == "csv" and not shards[0].is_whole_file:
            file = dataclasses.replace(file, header_bytes=shards[0].start)
        return _Inspected(file, columns, shards)


def _find_schema(job: PredictJob, columns: PredictionColumns, table: Table) -> bytes:
    """What gives the parts of a jsonl file one schema in parquet, as its first rows decide it; else nothing."""
    if (table.format, job.output_format) != ("jsonl", "parquet"):
        return b""
    max_text_bytes = job.classifier.settings.inputs.max_text_bytes
    chunks = chunk_rows(table, column=columns.text_column, max_text_bytes=max_text_bytes, limits=job.limits)
    rows = next((chunk.rows for chunk in chunks if chunk.rows), [])
    return encode_empty_piece(rows, source=table, added=columns.added)


def _keep_whole(_source: TableSource, size: int, _shard: ShardSize) -> Iterator[Shard]:
    yield Shard(input=0, start=0, stop=0, bytes=size)


def _cut_parquet(source: TableSource, size: int, shard: ShardSize) -> Iterator[Shard]:
    groups = list_row_groups(source)
    unpacked = max(1, sum(group.bytes for group in groups))
    start = before = rows = weight = 0
    for number, group in enumerate(groups, 1):
        rows, weight = rows + group.rows, weight + group.bytes
        packed = size * weight // unpacked
        if shard.is_reached(rows, packed) or number == len(groups):
            yield Shard(input=0, start=start, stop=number, lines_before=before, bytes=packed, rows=rows)
            start, before, rows, weight = number, before + rows, 0, 0
    if not groups:
        yield from _keep_whole(source, size, shard)


def _cut_csv(source: TableSource, size: int, shard: ShardSize) -> Iterator[Shard]:
    if (shard.rows is None and size <= shard.bytes) or _lacks_newlines(source.stream):
        yield from _keep_whole(source, size, shard)
        return
    ends = find_row_starts(source)
    start = end = next(ends)
    rows = 0
    for following in ends:
        if shard.is_reached(rows, end.offset - start.offset):
            yield _csv_shard(start.offset, end.offset, start.lines_before, rows)
            start, rows = end, 0
        end, rows = following, rows + 1
    yield _csv_shard(start.offset, size, start.lines_before, rows)


def _csv_shard(start: int, stop: int, lines_before: int, rows: int) -> Shard:
    return Shard(input=0, start=start, stop=stop, lines_before=lines_before, bytes=stop - start, rows=rows)


def _cut_lines(source: TableSource, size: int, shard: ShardSize) -> Iterator[Shard]:
    most = shard.bytes if shard.rows is None else shard.rows * _bytes_of_a_row(source.stream)
    if size <= most or _lacks_newlines(source.stream):
        yield from _keep_whole(source, size, shard)
        return
    count = -(-size // most)
    for number in range(count):
        start, stop = size * number // count, size * (number + 1) // count
        yield Shard(input=0, start=start, stop=stop, bytes=stop - start)


def _bytes_of_a_row(stream: BinaryIO) -> int:
    """About; at least 1."""
    sample = stream.read(_SAMPLE_BYTES)
    stream.seek(0)
    return max(1, len(sample) // max(1, sample.count(b"\n")))


def _lacks_newlines(stream: BinaryIO) -> bool:
    """Whether the file's lines end with CR alone."""
    answer = ends_lines_with_cr(stream)
    stream.seek(0)
    return answer


_CUTTERS: Mapping[TableFormat, Callable[[TableSource, int, ShardSize], Iterator[Shard]]] = {
    "csv": _cut_csv,
    "tsv": _keep_whole,
    "jsonl": _cut_lines,
    "parquet": _cut_parquet,
    "txt": _cut_lines,
}
