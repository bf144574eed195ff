"""The folder next to an unfinished output: it keeps the finished chunks through kill -9, and becomes the output.

A line of the journal is written after the bytes that it describes, and holds their SHA-256. Bytes that are incomplete,
or were lost in a power failure, have no valid line: a resumed job cuts them off and computes them again.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from mtl_runtime.bulk.job_spec import JobSpec
from mtl_runtime.bulk.journal import (
    SCHEMA_VERSION,
    ChunkRecord,
    JournalEntry,
    JournalHeader,
    header_bytes,
    read_entries,
    read_header,
    to_line,
)
from mtl_runtime.bulk.work_files import WorkFiles, file_matches, next_bytes_match, remove_folder, work_folder_path
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.file_lock import exclusive_lock
from mtl_runtime.core.outputs import check_file, move_file, os_errors_as_mtl_errors, refuse_link, sync
from mtl_runtime.errors import MtlError

__all__ = ["WorkFolder", "open_work_folder", "read_job", "work_folder_path"]

_log = logging.getLogger(__name__)

_MAKE_ROOM = "move it away and continue with --resume, or start over with --force"


def read_job(target: Path) -> JobSpec | None:
    """Read which job was started for ``target`` and is not finished.

    Raises:
        MtlError: its journal cannot be read.
    """
    header = read_header(WorkFiles.of(target).journal)
    return None if header is None else header.job


@dataclass(slots=True)
class WorkFolder:
    """A job and its finished chunks; made by :func:`open_work_folder`."""

    target: Path
    header: JournalHeader
    files: WorkFiles
    chunks: int = 0
    rows: int = 0  # written
    truncated: int = 0
    bad_rows: int = 0
    finished: FileSpec | None = None  # if set, the target is complete, with this size and hash

    @property
    def records(self) -> int:
        """Number of finished rows of the input, good and bad."""
        return self.rows + self.bad_rows

    def add(self, chunk: ChunkRecord, output: bytes, rejects: bytes) -> None:
        """Store a finished chunk."""
        line = to_line(JournalEntry(done=chunk))
        with os_errors_as_mtl_errors(self.target):
            for path, data in ((self.files.output, output), (self.files.rejects, rejects), (self.files.journal, line)):
                with path.open("ab") as stream:
                    stream.write(data)
        self._count(chunk)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of each chunk."""
        with self.files.output.open("rb") as stream:
            for entry, _ in read_entries(self.files.journal, self.header.job):
                if entry.done is not None:
                    yield stream.read(entry.done.output.bytes)

    def finish(self, *, join: Callable[[Iterable[bytes], BinaryIO], None] | None, rejects: Path | None) -> None:
        """Make the output from the chunks and move it to the target, after the file ``rejects`` if it is given.

        Raises:
            MtlError: a file that did not exist at the start is in the way; or the system refuses to write.
        """
        with os_errors_as_mtl_errors(self.target):
            complete = self.files.output
            if join is not None:
                complete = self.files.joined
                with complete.open("wb") as stream:
                    join(self.pieces(), stream)
            sync(complete)
            finished = FileSpec.of_file(complete)
            with self.files.journal.open("ab") as stream:
                stream.write(to_line(JournalEntry(finished=finished)))
            sync(self.files.journal)
        if rejects is not None:
            self.place_rejects(rejects)
        move_file(complete, self.target, replace=self.header.replace, advice=_MAKE_ROOM)
        self.finished = finished

    def needs_rejects(self, path: Path) -> bool:
        """Whether ``path`` is still to be written: a process that was killed afterwards may have done it.

        Raises:
            MtlError: another file is there.
        """
        if file_matches(path, FileSpec.of_file(self.files.rejects)):
            return False
        check_file(path, replace=self.header.replace)
        return True

    def place_rejects(self, path: Path) -> None:
        """Copy the bad rows to the file ``path``, unless they are there.

        Raises:
            MtlError: another file is there; or the system refuses to write.
        """
        staging = path.with_name(f".{path.name}-{self.target.name}")  # always the same name: a kill leaves no litter
        with os_errors_as_mtl_errors(path):
            staging.unlink(missing_ok=True)
        if not self.needs_rejects(path):
            return
        with os_errors_as_mtl_errors(path):
            with self.files.rejects.open("rb") as rejects, staging.open("xb") as stream:
                shutil.copyfileobj(rejects, stream)
            sync(staging)
        move_file(staging, path, replace=self.header.replace, advice=_MAKE_ROOM)

    def begin(self) -> None:
        """Remove earlier work, and write the first line of the journal."""
        with os_errors_as_mtl_errors(self.target):
            for path in (self.files.journal, self.files.output, self.files.rejects, self.files.joined):
                path.unlink(missing_ok=True)
            for path in (self.files.output, self.files.rejects):
                path.touch()
            self.files.journal.write_bytes(to_line(self.header))

    def restore(self) -> None:
        """Count the chunks that match the journal, and cut off everything after them."""
        with os_errors_as_mtl_errors(self.target):
            ends = {self.files.journal: header_bytes(self.files.journal), self.files.output: 0, self.files.rejects: 0}
            for path in ends:
                path.touch()
            with self.files.output.open("rb") as output, self.files.rejects.open("rb") as rejects:
                for entry, end in read_entries(self.files.journal, self.header.job):
                    chunk = entry.done
                    if chunk is None:
                        break
                    if not (next_bytes_match(output, chunk.output) and next_bytes_match(rejects, chunk.rejects)):
                        break
                    self._count(chunk)
                    ends[self.files.journal] = end
                    ends[self.files.output] += chunk.output.bytes
                    ends[self.files.rejects] += chunk.rejects.bytes
            for path, end in ends.items():
                os.truncate(path, end)

    def as_finished(self) -> "WorkFolder | None":
        """Return a copy that is marked finished if the target is complete and only the folder remains; else None."""
        copy = replace(self)
        for entry, _ in read_entries(self.files.journal, self.header.job):
            if entry.done is not None:
                copy._count(entry.done)
            elif entry.finished is not None and file_matches(self.target, entry.finished):
                copy.finished = entry.finished
        return copy if copy.finished else None

    def _count(self, chunk: ChunkRecord) -> None:
        self.chunks += 1
        self.rows += chunk.rows
        self.truncated += chunk.truncated
        self.bad_rows += chunk.bad_rows


@contextmanager
def open_work_folder(target: Path, job: JobSpec, *, resume: bool, replace_existing: bool) -> Iterator[WorkFolder]:
    """Open the work on ``target``, with ``resume`` including its finished chunks; no other process can do so meanwhile.

    In the end the folder is removed if the work is finished, or if it holds no chunk worth keeping.

    Args:
        target: the output.
        job: what is to be done.
        resume: continue earlier work if there is any, else start.
        replace_existing: discard earlier work, and let the output replace an existing file.

    Raises:
        MtlError: there is earlier work, and neither ``resume`` nor ``replace_existing`` is set; or it belongs to
            another job; or another process is working on it; or the output exists or cannot be written.
    """
    files, folder = WorkFiles.of(target), work_folder_path(target)
    for path in (folder, *files.all):
        refuse_link(path)
    if not folder.exists():
        check_file(target, replace=replace_existing)
    with os_errors_as_mtl_errors(target):
        folder.mkdir(exist_ok=True)
    with ExitStack() as after_unlock, exclusive_lock(files.lock, what=str(target)):
        recorded = None if replace_existing else read_header(files.journal)
        header = recorded or JournalHeader(schema_version=SCHEMA_VERSION, job=job, replace=replace_existing)
        work = WorkFolder(target, header, files)
        try:
            if recorded is None:
                check_file(target, replace=replace_existing)
                work.begin()
            else:
                work = _resume(work, job, resume=resume)
            yield work
        except BaseException as error:
            if work.chunks:
                error.add_note(_resume_hint(work))
            raise
        finally:
            if work.finished or (recorded is None and not work.chunks):
                remove_folder(folder, after_unlock)


def _resume(work: WorkFolder, job: JobSpec, *, resume: bool) -> WorkFolder:
    if not resume:
        raise MtlError(f"{work.target} was started and not finished; --resume continues it, --force starts over")
    recorded = work.header.job
    finished = work.as_finished()
    # An input that was replaced by its own answers is still the same input.
    now = replace(job, input=recorded.input) if finished is not None and job.input == finished.finished else job
    if (difference := now.describe_difference(recorded)) is not None:
        raise MtlError(f"{work.target} was started as another job: {difference}; undo that, or start over with --force")
    if finished is not None:
        _log.info("%s is complete: only its work folder is left to remove", work.target)
        return finished
    check_file(work.target, replace=work.header.replace)
    work.restore()
    _log.info("resuming %s at chunk %d, with %d rows done", work.target, work.chunks, work.records)
    return work


def _resume_hint(work: WorkFolder) -> str:
    bad_rows = "after a bad row, with --on-bad-row skip or --rejects FILE"
    return f"{work.records:,} rows are done and kept; --resume continues after them ({bad_rows})"
