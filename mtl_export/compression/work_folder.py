"""The folder of an unfinished compression, next to its output: what was started there, and the time that it took."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mtl_export.compression.points import CompressionInputs, StudentsRecord
from mtl_export.compression.pruning.sensitivity import LayerLoss
from mtl_export.compression.stopwatch import CLOCK_NAME
from mtl_export.config import Precision
from mtl_export.errors import CheckpointError
from mtl_export.folder_marks import (
    COMPRESSION_RECORD,
    check_no_unfinished_run,
    check_run_folder,
    remove_run_folder,
    run_folder_path,
)
from mtl_runtime.bundle.manifest import MANIFEST_NAME
from mtl_runtime.core import records
from mtl_runtime.core.atomic_file import replace_text
from mtl_runtime.core.outputs import check_folder, move_folder, refuse_link
from mtl_runtime.errors import MtlError, RecordError

__all__ = [
    "RECORD_NAME",
    "DamagedWorkError",
    "TrialOutcome",
    "WorkFolder",
    "finished_record",
    "open_work_folder",
]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

RECORD_NAME = "students.json"

_LAYERS, _TRIALS = "layers.json", "trials"
# Of what decides the students, as the subject of a sentence.
_INPUTS = {
    "teacher": "the checkpoint",
    "record": "its checkpoint.json",
    "files": "its data or --texts",
    "column": "--column",
    "variants": "--variants",
    "budget": "--budget",
    "speed": "--speed",
    "seed": "the seed",
}


class DamagedWorkError(CheckpointError):
    """Something that an unfinished compression needs to continue is gone or damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    inputs: CompressionInputs
    precision: Precision  # chosen when it was started: timing it again might choose another
    replace: bool  # the output, where there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layers:
    steps: tuple[LayerLoss, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """What a finished trial leaves."""

    divergence: float  # of the answers from the teacher's
    seconds_per_row: float  # of its distillation


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """Trials, students and bundles; those of a finished stage are found again."""

    path: Path
    target: Path
    precision: Precision
    replace: bool

    def read_layers(self) -> tuple[LayerLoss, ...] | None:
        """What leaving out layers costs, if it was measured; None: it was not."""
        kept = _read_kept(_Layers, self.path / _LAYERS)
        return kept.steps if kept else None

    def keep_layers(self, steps: tuple[LayerLoss, ...]) -> None:
        """Keep what leaving out layers costs."""
        replace_text(self.path / _LAYERS, records.to_json(_Layers(steps=steps)))

    def trial(self, candidate: str, rung: int) -> Path:
        """Folder of the checkpoint of a trial."""
        return self.path / _TRIALS / f"{candidate}-{rung}"

    def read_trial(self, candidate: str, rung: int) -> TrialOutcome | None:
        """What a finished trial ended with; None where it is not finished."""
        return _read_kept(TrialOutcome, self._trial_file(candidate, rung))

    def finish_trial(self, candidate: str, rung: int, outcome: TrialOutcome) -> None:
        """Remember what a trial ended with; the weights that it started from are not needed any more."""
        replace_text(self._trial_file(candidate, rung), records.to_json(outcome))
        if rung:
            shutil.rmtree(self.trial(candidate, rung - 1), ignore_errors=True)

    def remove_trials(self, candidate: str) -> None:
        """Remove the weights of a candidate that goes no further."""
        for folder in (self.path / _TRIALS).glob(f"{candidate}-[0-9]"):
            shutil.rmtree(folder, ignore_errors=True)

    def _trial_file(self, candidate: str, rung: int) -> Path:
        return self.path / _TRIALS / f"{candidate}-{rung}.json"

    def checkpoint(self, candidate: str) -> Path:
        """Folder of a student's checkpoint."""
        return self.path / candidate / "checkpoint"

    def bundle(self, candidate: str) -> Path:
        """Folder of a student's bundle, or of the teacher's."""
        return self.path / candidate / "bundle"

    def is_exported(self, candidate: str) -> bool:
        """Whether its bundle is finished."""
        return (self.bundle(candidate) / MANIFEST_NAME).is_file()

    @contextmanager
    def note_how_to_continue(self) -> Iterator[None]:
        """Say of whatever ends the compression early how to continue it, in place of what its stages say.

        Where nothing is finished yet, remove the folder: a mistake can be mended, and the command given again.
        """
        try:
            yield
        except DamagedWorkError as error:
            error.__notes__ = []
            raise
        except BaseException as error:
            if self.read_layers() is None:
                remove_run_folder(self.path)
                # Of a mistake in the command the message says what to do: the same command would make it again.
                stopped = "nothing was finished yet; the same command starts again"
                error.__notes__ = [] if isinstance(error, MtlError) else [stopped]
            else:
                error.__notes__ = ["what is finished is kept; the same command with --resume, not --force, continues"]
            raise

    def finish(self) -> None:
        """Move all to its place, and remove what only a compression that goes on needs.

        In this order: until the move has succeeded there is something to resume, which needs no trial to be made again.
        """
        move_folder(self.path, self.target, replace=self.replace, advice=f"the students are complete in {self.path}")
        _remove_leftovers(self.target)


def open_work_folder(
    target: Path,
    inputs: CompressionInputs,
    *,
    choose_precision: Callable[[], Precision],
    resume: bool,
    force: bool,
) -> WorkFolder:
    """Continue the unfinished compression that writes to ``target``, or start one.

    Raises:
        CheckpointError: there is an unfinished one and neither ``resume`` nor ``force`` is set, or it was started with
            another teacher, other files or other options.
        MtlError: ``target`` exists and may not be replaced, or is a link.
    """
    folder = run_folder_path(target)
    refuse_link(folder)
    if (folder / COMPRESSION_RECORD).is_file() and not force:
        if not resume:
            raise CheckpointError(
                f"{folder} holds an unfinished compression; continue it with --resume, or discard it with --force"
            )
        record = _read(folder / COMPRESSION_RECORD)
        if record.inputs != inputs:
            changed = _describe_change(record.inputs, inputs)
            raise CheckpointError(f"cannot resume: {changed} since it was started; use --force to start again")
        check_folder(target, replace=record.replace)
        return WorkFolder(folder, target, record.precision, record.replace)
    check_folder(target, replace=force)
    check_run_folder(target)
    if not force:
        check_no_unfinished_run(target)
    remove_run_folder(folder)
    folder.mkdir(parents=True)
    record = _Record(inputs=inputs, precision=choose_precision(), replace=force)
    replace_text(folder / COMPRESSION_RECORD, records.to_json(record))
    return WorkFolder(folder, target, record.precision, record.replace)


def finished_record(target: Path, inputs: CompressionInputs) -> StudentsRecord | None:
    """What a finished compression wrote to ``target``; None where there is none, or an unfinished one would replace it.

    Raises:
        CheckpointError: it was of another teacher, or with other files or options.
    """
    file = target / RECORD_NAME
    if not file.is_file() or (run_folder_path(target) / COMPRESSION_RECORD).is_file():
        return None
    record = records.from_json(StudentsRecord, file.read_bytes(), where=str(file))
    if record.inputs != inputs:
        raise CheckpointError(
            f"{target} is finished, and {_describe_change(record.inputs, inputs)} since; name another output, or "
            "replace it with --force"
        )
    _require_complete(record, target)
    _remove_leftovers(target)
    _log.info("%s is finished, and nothing is left to resume; --force makes other students", target)
    return record


def _require_complete(record: StudentsRecord, target: Path) -> None:
    """Refuse a finished compression that has lost something, or whose record was edited."""
    points = {(point.model, point.variant): point for point in record.points}
    folders = [target / model / "bundle" for model, _ in points]
    missing = next((folder for folder in folders if not (folder / MANIFEST_NAME).is_file()), None)
    if (record.choice.model, record.choice.variant) not in points:
        missing = target / RECORD_NAME
    if missing is not None:
        raise CheckpointError(f"{missing} is missing or damaged; make the students again with --force")


def _read_kept(kind: type[_T], file: Path) -> _T | None:
    """What a finished step has kept; None where it is not finished, or its file is damaged: then it is repeated."""
    try:
        return records.from_json(kind, file.read_bytes(), where=file.name) if file.is_file() else None
    except RecordError as error:
        _log.warning("%s is damaged, and made again: %s", file, error)
        return None


def _describe_change(before: CompressionInputs, now: CompressionInputs) -> str:
    """Such as "--budget and --speed changed"."""
    changed = [words for name, words in _INPUTS.items() if getattr(before, name) != getattr(now, name)]
    return f"{' and '.join(changed)} changed"


def _remove_leftovers(target: Path) -> None:
    """What only a compression that goes on needs, and what killed processes had begun to write."""
    for name in (COMPRESSION_RECORD, CLOCK_NAME, _LAYERS):
        (target / name).unlink(missing_ok=True)
    for folder in (target / _TRIALS, *target.glob("*/.*-new-*")):
        shutil.rmtree(folder, ignore_errors=True)


def _read(file: Path) -> _Record:
    try:
        return records.from_json(_Record, file.read_bytes(), where=file.name)
    except RecordError as error:
        raise CheckpointError(f"{file} is damaged: {error}; use --force to start again") from error
