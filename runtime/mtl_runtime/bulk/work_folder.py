"""folder beside an output that is being made -> what of it is done, kept through kill -9; in the end, the output.

    .OUT.mtl-work/
      ledger.jsonl    what the job is, then a line for each chunk that is done
      output          the chunks' bytes, one after the other
      rejects         the chunks' bad rows, likewise
      joined          the whole output, where the chunks' bytes one after the other are not it
      lock            locked by the process at work

A line of the ledger is written after the bytes that it vouches for, and holds their SHA-256. Whatever is half
written, or was lost with the power, has no valid line: a resumed job cuts it off and makes it again.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.bulk.journal import (
    SCHEMA_VERSION,
    ChunkRecord,
    Entry,
    JobSpec,
    JournalHeader,
    entries,
    read_start,
    to_line,
)
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.atomic_file import check_can_write, os_errors_as_mtl_errors, sync
from mtl_runtime.core.file_lock import exclusive_lock
from mtl_runtime.errors import MtlError

__all__ = ["WorkFolder", "open_work_folder", "read_job", "work_folder_path"]


def work_folder_path(target: Path) -> Path:
    """Where the work on ``target`` lies until it is whole."""
    return target.with_name(f".{target.name}.mtl-work")


def read_job(target: Path) -> JobSpec | None:
    """The job that was begun for ``target`` and is not finished.

    Raises:
        MtlError: its ledger cannot be read.
    """
    start = read_start(work_folder_path(target) / "ledger.jsonl")
    return None if start is None else start.job


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What lies in a work folder."""

    ledger: Path
    output: Path
    rejects: Path
    joined: Path

    @classmethod
    def of(cls, target: Path) -> "_Files":
        folder = work_folder_path(target)
        ledger, output, rejects, joined = (folder / name for name in ("ledger.jsonl", "output", "rejects", "joined"))
        return cls(ledger=ledger, output=output, rejects=rejects, joined=joined)


@dataclass(slots=True)
class WorkFolder:
    """A job and what of it is done; made by :func:`open_work`."""

    target: Path
    start: JournalHeader
    files: _Files
    chunks: int = 0
    rows: int = 0  # written
    truncated: int = 0
    bad_rows: int = 0
    finished: FileSpec | None = None  # set: the target is whole, and this

    @property
    def records(self) -> int:
        """Rows of the input that are done, good and bad."""
        return self.rows + self.bad_rows

    def add(self, done: ChunkRecord, output: bytes, rejects: bytes) -> None:
        """Keep a chunk."""
        line = to_line(Entry(done=done))
        with os_errors_as_mtl_errors(self.target):
            for path, data in ((self.files.output, output), (self.files.rejects, rejects), (self.files.ledger, line)):
                with path.open("ab") as stream:
                    stream.write(data)
        self._count(done)

    def pieces(self) -> Iterator[bytes]:
        """The chunks' bytes, those of each on their own."""
        with self.files.output.open("rb") as stream:
            for entry, _ in entries(self.files.ledger):
                if entry.done is not None:
                    yield stream.read(entry.done.output.bytes)

    def finish(self, *, join: Callable[[Iterable[bytes], BinaryIO], None] | None, rejects: Path | None) -> None:
        """Make the output of the chunks and let it be seen; before it the file ``rejects``, where one is wanted.

        Raises:
            MtlError: a file is in the way that was not there at the start; or the system refuses to write.
        """
        with os_errors_as_mtl_errors(self.target):
            whole = self.files.output
            if join is not None:
                whole = self.files.joined
                with whole.open("wb") as stream:
                    join(self.pieces(), stream)
            sync(whole)
            finished = FileSpec.of_file(whole)
            with self.files.ledger.open("ab") as stream:
                stream.write(to_line(Entry(finished=finished)))
            sync(self.files.ledger)
        if rejects is not None:
            self.place_rejects(rejects)
        check_can_write(self.target, replace=self.start.replace)
        with os_errors_as_mtl_errors(self.target):
            whole.replace(self.target)
            sync(self.target.parent)
        self.finished = finished

    def check_rejects(self, path: Path) -> bool:
        """Whether ``path`` has to be written yet: it may be there already, placed by a process that was then killed.

        Raises:
            MtlError: another file is there.
        """
        if _is(path, FileSpec.of_file(self.files.rejects)):
            return False
        check_can_write(path, replace=self.start.replace)
        return True

    def place_rejects(self, path: Path) -> None:
        """Let the bad rows be seen as the file ``path``.

        Raises:
            MtlError: another file is there; or the system refuses to write.
        """
        if not self.check_rejects(path):
            return
        staging = path.with_name(f".{path.name}-{self.target.name}")  # the same each time: a kill leaves no litter
        with os_errors_as_mtl_errors(path):
            shutil.copyfile(self.files.rejects, staging)
            sync(staging)
            staging.replace(path)
            sync(path.parent)

    def begin(self) -> None:
        """Forget what there is, and write the first line of the ledger."""
        with os_errors_as_mtl_errors(self.target):
            for path in (self.files.ledger, self.files.output, self.files.rejects, self.files.joined):
                path.unlink(missing_ok=True)
            for path in (self.files.output, self.files.rejects):
                path.touch()
            self.files.ledger.write_bytes(to_line(self.start))

    def restore(self) -> None:
        """Take up what the ledger vouches for, and cut off the rest."""
        ends = {self.files.ledger: len(to_line(self.start)), self.files.output: 0, self.files.rejects: 0}
        with os_errors_as_mtl_errors(self.target):
            for path in ends:
                path.touch()
            with self.files.output.open("rb") as output, self.files.rejects.open("rb") as rejects:
                for entry, end in entries(self.files.ledger):
                    done = entry.done
                    if done is None or done.chunk != self.chunks:
                        break
                    if not (_next_is(output, done.output) and _next_is(rejects, done.rejects)):
                        break
                    self._count(done)
                    ends[self.files.ledger] = end
                    ends[self.files.output] += done.output.bytes
                    ends[self.files.rejects] += done.rejects.bytes
            for path, end in ends.items():
                os.truncate(path, end)

    def when_finished(self) -> "WorkFolder | None":
        """This work if its target is whole, and only the folder was not removed; else None."""
        counts = changed(self)
        for entry, _ in entries(self.files.ledger):
            if entry.done is not None:
                counts._count(entry.done)
            elif entry.finished is not None and _is(self.target, entry.finished):
                counts.finished = entry.finished
        return counts if counts.finished else None

    def _count(self, done: ChunkRecord) -> None:
        self.chunks += 1
        self.rows += done.rows
        self.truncated += done.truncated
        self.bad_rows += done.bad_rows


def _is(path: Path, spec: FileSpec) -> bool:
    return path.is_file() and path.stat().st_size == spec.bytes and FileSpec.of_file(path) == spec


def _next_is(stream: BinaryIO, spec: FileSpec) -> bool:
    return FileSpec.of(stream.read(spec.bytes)) == spec


@contextmanager
def open_work_folder(target: Path, job: JobSpec, *, resume: bool, replace: bool) -> Iterator[WorkFolder]:
    """The work on ``target``, with ``resume`` as far as it was done; no other process can open it meanwhile.

    In the end it is removed if it is finished, or if there is no chunk that is worth to be kept.

    Args:
        target: the output.
        job: what is to be done.
        resume: go on where there is such work, else begin.
        replace: begin anew where there is such work, and let the output take the place of a file.

    Raises:
        MtlError: there is such work, and neither ``resume`` nor ``replace`` is set; or it is another job's; or
            another process is at it; or the output exists or cannot be written.
    """
    folder = work_folder_path(target)
    if not folder.exists():
        if resume and target.is_file():
            raise MtlError(f"{target} exists already and no work on it is left; give --force to make it anew")
        check_can_write(target, replace=replace)
    with os_errors_as_mtl_errors(target):
        folder.mkdir(exist_ok=True)
    with exclusive_lock(folder / "lock", what=str(target)):
        found = None if replace else read_start(folder / "ledger.jsonl")
        start = found or JournalHeader(schema_version=SCHEMA_VERSION, job=job, replace=replace)
        work = WorkFolder(target, start, _Files.of(target))
        try:
            if found is None:
                check_can_write(target, replace=replace)
                work.begin()
            else:
                work = _taken_up(work, job, resume=resume)
            yield work
        except BaseException as error:
            if work.chunks:
                error.add_note(_how_to_go_on(work))
            raise
        finally:
            if work.finished or (found is None and not work.chunks):
                _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a work folder, which is there until it is gone: no process finds it without its ledger."""
    gone = folder.with_name(
        f"{folder.name}-removed"
    )  # the same each time, so that the next one removes what a kill left
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _how_to_go_on(work: WorkFolder) -> str:
    mend = "after a bad row, with --on-bad-row skip or --rejects FILE"
    return f"{work.records:,} rows are done and kept; --resume goes on after them ({mend})"


def _taken_up(work: WorkFolder, job: JobSpec, *, resume: bool) -> WorkFolder:
    if not resume:
        raise MtlError(f"{work.target} was begun and not finished; --resume goes on with it, --force starts anew")
    recorded = work.start.job
    whole = work.when_finished()
    # An input that was replaced by its own answers is no other input.
    now = changed(job, input=recorded.input) if whole is not None and job.input == whole.finished else job
    if (difference := now.difference(recorded)) is not None:
        raise MtlError(f"{work.target} was begun as another job: {difference}; undo that, or start anew with --force")
    if whole is None:
        check_can_write(work.target, replace=work.start.replace)
        work.restore()
    return whole or work
