"""The folder of an unfinished compression, next to its output: what was started there, and the time that it took."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mtl_export.compression.points import StudentsRecord
from mtl_export.config import Precision
from mtl_export.errors import CheckpointError
from mtl_export.folder_marks import run_folder_path
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.atomic_file import replace_text
from mtl_runtime.core.outputs import check_folder, move_folder, refuse_link
from mtl_runtime.errors import RecordError

__all__ = ["RECORD_NAME", "CompressionInputs", "Stopwatch", "WorkFolder", "finished_record", "open_work_folder"]

RECORD_NAME = "students.json"

_RECORD, _CLOCK, _TRIALS = "compression.json", "seconds.json", "trials"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionInputs:
    """What decides the students that a compression ends with."""

    teacher: str  # SHA-256 of its weights
    files: Mapping[str, FileSpec]  # by absolute path
    budget: float
    speed: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    inputs: CompressionInputs
    precision: Precision  # chosen when it was started: timing it again might choose another


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """Trials, students and bundles; those of a finished stage are found again."""

    path: Path
    target: Path
    precision: Precision
    replace: bool

    def trial(self, candidate: str, rung: int) -> Path:
        """Folder of the checkpoint of a trial."""
        return self.path / _TRIALS / f"{candidate}-{rung}"

    def read_trial(self, candidate: str, rung: int) -> float | None:
        """The divergence that a finished trial ended with; None where it is not finished."""
        file = self._trial_file(candidate, rung)
        return float(file.read_text("utf-8")) if file.is_file() else None

    def finish_trial(self, candidate: str, rung: int, divergence: float) -> None:
        """Remember the divergence of a trial; the weights that it started from are not needed any more."""
        replace_text(self._trial_file(candidate, rung), f"{divergence!r}\n")
        if rung:
            shutil.rmtree(self.trial(candidate, rung - 1), ignore_errors=True)

    def remove_trials(self, candidate: str) -> None:
        """Remove the weights of a candidate that goes no further."""
        for folder in (self.path / _TRIALS).glob(f"{candidate}-[0-9]"):
            shutil.rmtree(folder, ignore_errors=True)

    def _trial_file(self, candidate: str, rung: int) -> Path:
        return self.path / _TRIALS / f"{candidate}-{rung}.divergence"

    def checkpoint(self, candidate: str) -> Path:
        """Folder of a student's checkpoint."""
        return self.path / candidate / "checkpoint"

    def bundle(self, candidate: str) -> Path:
        """Folder of a student's bundle, or of the teacher's."""
        return self.path / candidate / "bundle"

    def finish(self) -> None:
        """Remove what only a compression that goes on needs, and move the rest to its place."""
        shutil.rmtree(self.path / _TRIALS, ignore_errors=True)
        for name in (_RECORD, _CLOCK):
            (self.path / name).unlink(missing_ok=True)
        move_folder(self.path, self.target, replace=self.replace, advice=f"the students are complete in {self.path}")


def open_work_folder(
    target: Path, inputs: CompressionInputs, *, precision: Precision, resume: bool, force: bool
) -> WorkFolder:
    """Continue the unfinished compression that writes to ``target``, or start one.

    Raises:
        CheckpointError: there is an unfinished one and neither ``resume`` nor ``force`` is set, or it was started with
            another teacher, other files or other options.
        MtlError: ``target`` exists and may not be replaced, or is a link.
    """
    check_folder(target, replace=force)
    folder = run_folder_path(target)
    refuse_link(folder)
    if (folder / _RECORD).is_file() and not force:
        if not resume:
            raise CheckpointError(
                f"{folder} holds an unfinished compression; continue it with --resume, or discard it with --force"
            )
        record = _read(folder / _RECORD)
        if record.inputs != inputs:
            raise CheckpointError(
                "cannot resume: the checkpoint, its data, --texts, --budget or --speed changed since the compression "
                "was started; use --force to start again"
            )
        return WorkFolder(folder, target, record.precision, force)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    replace_text(folder / _RECORD, records.to_json(_Record(inputs=inputs, precision=precision)))
    return WorkFolder(folder, target, precision, force)


def finished_record(target: Path, *, teacher: str, budget: float, speed: float) -> StudentsRecord | None:
    """What a finished compression wrote to ``target``; None where there is none.

    Raises:
        CheckpointError: it was of another teacher, or with other options.
    """
    file = target / RECORD_NAME
    if not file.is_file():
        return None
    record = records.from_json(StudentsRecord, file.read_bytes(), where=str(file))
    if (record.teacher, record.budget, record.speed) != (teacher, budget, speed):
        raise CheckpointError(
            f"{target} has students of another checkpoint, or with another --budget or --speed; name another output, "
            f"or replace it with --force"
        )
    return record


def _read(file: Path) -> _Record:
    try:
        return records.from_json(_Record, file.read_bytes(), where=file.name)
    except RecordError as error:
        raise CheckpointError(f"{file} is damaged: {error}; use --force to start again") from error


@dataclass(slots=True)
class Stopwatch:
    """Seconds that a compression has taken, those before it was interrupted included.

    Args:
        file: where they are kept.
    """

    file: Path
    before: float = 0.0
    start: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, work: WorkFolder) -> "Stopwatch":
        """The stopwatch of an unfinished compression, or a new one."""
        file = work.path / _CLOCK
        return cls(file, float(file.read_text("utf-8")) if file.is_file() else 0.0)

    @property
    def seconds(self) -> float:
        """Up to now."""
        return self.before + time.monotonic() - self.start

    def save(self) -> None:
        """Keep the seconds up to now, for a compression that is resumed."""
        replace_text(self.file, f"{self.seconds:.1f}\n")
