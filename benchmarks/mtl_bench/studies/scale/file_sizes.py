"""number of shards -> bytes and requests of the state that a job keeps, from records as the driver writes them."""

from dataclasses import dataclass

from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.cluster.job import InputFile, PartRecord, Shard, ShardedJob, ShardedSpec
from mtl_runtime.cluster.manifest import make_manifest
from mtl_runtime.core import records

__all__ = ["FileSizes", "size_of_files"]

_SHARDS_OF_A_FILE = 10
_ROW_BYTES = 100
_NOTE_SECONDS = 30.0
_RATE = 400.0  # rows/s of a worker, for the number of its notes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSizes:
    """State of a job in its output folder."""

    job_bytes: int  # the plan
    record_bytes: int  # of all parts together
    manifest_bytes: int
    requests_of_a_shard: float  # to an object store, for the state: notes, the record, a removal


def size_of_files(shards: int, shard_rows: int) -> FileSizes:
    """Write the records of a job with so many shards into memory."""
    digest = "0123456789abcdef" * 4
    spec = ShardedSpec(
        bundle=digest,
        variant="cpu-int8",
        provider="cpu",
        max_batch_tokens=4096,
        workers=1,
        threads=1,
        long_text="truncate",
        aggregate={"sentiment": "mean", "domain": "mean"},
        max_text_bytes=65536,
        versions=dict.fromkeys(("mtl-export", "numpy", "tokenizers", "onnxruntime", "pyarrow"), "1.23.4"),
        tasks=("sentiment", "domain"),
        column="text",
        probabilities=False,
        prefix="",
        output_format="parquet",
        chunk_rows=2048,
        chunk_characters=2**20,
        shard_rows=shard_rows,
        max_row_bytes=2**25,
    )
    size = _SHARDS_OF_A_FILE * shard_rows * _ROW_BYTES
    inputs = tuple(
        InputFile(
            path=f"s3://bucket-of-reviews/2026/reviews/part-{number:05d}.parquet",
            bytes=size,
            version=f'"{digest[:32]}"',
            format="parquet",
        )
        for number in range(-(-shards // _SHARDS_OF_A_FILE))
    )
    job = ShardedJob(spec=spec, inputs=inputs, shards=tuple(_shard(number, shard_rows) for number in range(shards)))
    part = FileSpec(bytes=shard_rows * _ROW_BYTES, sha256=digest)
    done = {
        number: PartRecord(
            job=job.digest,
            shard=number,
            name=job.part_name(number),
            rows=shard_rows,
            truncated=0,
            bad_rows=0,
            output=part,
            rejects=None,
            seconds=shard_rows / _RATE,
            finished=1.8e9,
            host="ip-10-0-0-1.ec2.internal",
            machine="Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz avx2 fma avx512f avx512_vnni",
        )
        for number in range(shards)
    }
    _, manifest, _ = make_manifest(job, done)
    return FileSizes(
        job_bytes=len(job.json),
        record_bytes=shards * len(records.to_json(done[0])),
        manifest_bytes=len(manifest),
        requests_of_a_shard=3 + shard_rows / _RATE / _NOTE_SECONDS,
    )


def _shard(number: int, rows: int) -> Shard:
    place = number % _SHARDS_OF_A_FILE
    return Shard(
        input=number // _SHARDS_OF_A_FILE,
        start=place,
        stop=place + 1,
        lines_before=place * rows,
        bytes=rows * _ROW_BYTES,
        rows=rows,
    )
