"""The output folder of a sharded job: its parts, and the state that outlives every process.

FOLDER/
  part-000017-1f2e3d4c.parquet   the answers of shard 17
  _manifest.json                 the parts with their rows and SHA-256, once all are complete
  _SUCCESS                       SHA-256 of the manifest; the job is complete
  _mtl/
    job.json                     what is computed from which files, and the shards
    done/000017.json             a complete part: written after it, so a part that is not listed does not count
    failed/000017.json           a shard that was given up, and why
    running/000017.json          a shard that a worker has begun, and how far it is
    rejects/part-....jsonl       bad rows of a part
    lease.json                   which driver works on the folder
  .mtl-.../                      a file that is being written (local folders only)
"""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from mtl_runtime.cluster.job import FailureRecord, PartRecord, ShardedJob
from mtl_runtime.cluster.storage.stores import Store, open_store
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError, RecordError
from mtl_runtime.wording import name_path

__all__ = ["JOB", "LEASE", "MANIFEST", "SUCCESS", "JobFolder", "RunningRecord"]

T = TypeVar("T")

JOB, LEASE, MANIFEST, SUCCESS = "_mtl/job.json", "_mtl/lease.json", "_manifest.json", "_SUCCESS"
_STATE = "_mtl"
_DONE, _FAILED, _RUNNING, _REJECTS = (f"{_STATE}/{name}" for name in ("done", "failed", "running", "rejects"))
_PART = re.compile(r"part-\d{6,}-[0-9a-f]{8}\.\w+")
_THREADS = 16  # that read small files


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRecord:
    """How far a worker is with a shard: ``_mtl/running/<shard>.json``."""

    shard: int
    host: str
    pid: int
    rows: int
    updated: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class JobFolder:
    """Reads and writes the files of a job; each is whole or absent."""

    store: Store

    @classmethod
    def open(cls, name: str) -> "JobFolder":
        """Open the folder at a path or URL, which need not exist.

        Raises:
            MtlError: as :func:`mtl_runtime.cluster.storage.stores.open_store`.
        """
        return cls(open_store(name))

    @property
    def name(self) -> str:
        """The folder in messages."""
        return name_path(self.store.url)

    def read_job(self) -> ShardedJob | None:
        """Read which job the folder is of; None if there is none.

        Raises:
            MtlError: the record cannot be read.
        """
        data = self.store.read(JOB)
        return None if data is None else ShardedJob.from_json(data, where=f"{self.name}/{JOB}")

    @property
    def has_job(self) -> bool:
        """Whether the folder is of a job, of whatever version."""
        return self.store.read(JOB) is not None

    def create_job(self, job: ShardedJob) -> bool:
        """Let the folder be of ``job``; False if it is of one already."""
        return self.store.create(JOB, job.json)

    def check_empty(self) -> None:
        """Refuse a folder that is in use, but not by a job.

        Raises:
            MtlError: it holds files.
        """
        names = (*self.store.list(), *self.store.list_folders())
        files = [name for name in names if not name.startswith(".") and name != _STATE]  # a lease may be held in it
        if files:
            raise MtlError(f"{self.name} exists already and holds {name_path(files[0])}; name another output")

    def remove_job(self) -> None:
        """Remove everything that the job of this folder wrote; other files stay."""
        self.store.remove(SUCCESS, MANIFEST, *filter(_PART.fullmatch, self.store.list()))
        for folder in (_DONE, _FAILED, _RUNNING, _REJECTS):
            self.store.remove_folder(folder)
        self.store.remove(JOB)
        self.store.remove_staging()

    def remove_empty_state(self) -> None:
        """Remove the state of a folder that is of no job after all."""
        if not self.has_job:
            self.store.remove_folder(_STATE)

    @property
    def is_complete(self) -> bool:
        """Whether all parts were complete once."""
        return self.store.read(SUCCESS) is not None

    def read_done(self, job: ShardedJob) -> Mapping[int, PartRecord]:
        """Read the records of complete parts, by shard; one whose part is missing or of another size is left out."""
        sizes = self.store.list()
        done = self._read_records(PartRecord, _DONE, job)
        return {
            record.shard: record
            for record in done
            if record.name == job.part_name(record.shard) and sizes.get(record.name) == record.output.bytes
        }

    def read_failed(self, job: ShardedJob) -> Mapping[int, FailureRecord]:
        """Read which shards were given up; some of them may be done since."""
        return {record.shard: record for record in self._read_records(FailureRecord, _FAILED, job)}

    def read_running(self) -> Sequence[RunningRecord]:
        """Read which shards were begun, some of them maybe by workers that are gone."""
        return self._parse(RunningRecord, _RUNNING)

    def add_done(self, record: PartRecord) -> None:
        """List a complete part."""
        self.store.write(_file_of(_DONE, record.shard), records.to_json(record).encode())
        self.store.remove(_file_of(_RUNNING, record.shard))

    def add_failed(self, record: FailureRecord) -> None:
        """Note that a shard is given up."""
        self.store.write(_file_of(_FAILED, record.shard), records.to_json(record).encode())
        self.store.remove(_file_of(_RUNNING, record.shard))

    def note_running(self, record: RunningRecord) -> None:
        """Note how far a shard is."""
        self.store.write(_file_of(_RUNNING, record.shard), records.to_json(record).encode())

    def forget_failed(self) -> None:
        """Let the shards that were given up be tried again."""
        self.store.remove_folder(_FAILED)

    def rejects_name(self, part: str) -> str:
        """Name of the file with the bad rows of a part."""
        return f"{_REJECTS}/{part.rpartition('.')[0]}.jsonl"

    def reopen(self) -> None:
        """Let a complete job have work again: a part of it is missing."""
        self.store.remove(SUCCESS, MANIFEST)

    def finish(self, manifest: bytes, success: bytes) -> None:
        """Mark the job as complete."""
        self.store.write(MANIFEST, manifest)
        self.store.write(SUCCESS, success)
        self.store.remove_folder(_RUNNING)
        self.store.remove_staging()

    def _read_records(self, cls: type[T], folder: str, job: ShardedJob) -> list[T]:
        return [record for record in self._parse(cls, folder) if getattr(record, "job", None) == job.digest]

    def _parse(self, cls: type[T], folder: str) -> list[T]:
        names = [f"{folder}/{name}" for name in sorted(self.store.list(folder)) if name.endswith(".json")]
        parsed = []
        with ThreadPoolExecutor(_THREADS) as threads:
            for data in threads.map(self.store.read, names):
                try:
                    parsed.append(records.from_json(cls, data or b""))
                except RecordError:  # torn, on a filesystem without whole writes: then it does not count
                    continue
        return parsed


def _file_of(folder: str, shard: int) -> str:
    return f"{folder}/{shard:06d}.json"
