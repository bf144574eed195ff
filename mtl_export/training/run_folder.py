"""The folder with the resumable states of a run, next to its output, and the record of what was started there."""

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mtl_export.checkpoint import TrainingPlan
from mtl_export.config import Config
from mtl_export.errors import CheckpointError
from mtl_export.training.loop.resume_points import last_resume_point, remove_incomplete_points
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = ["RunRecord", "open_run_folder", "run_folder_path"]

_RECORD = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What a run was started with; it can be resumed only with the same."""

    config: Config
    files: Mapping[str, FileSpec]
    base: str | None
    processes: int
    plan: TrainingPlan  # what is timed here may come out differently when the run is resumed: this one is followed


def run_folder_path(output: Path) -> Path:
    """The run folder of a run that writes to ``output``."""
    return output.with_name(f"{output.name}.run")


def open_run_folder(
    folder: Path, record: RunRecord, *, resume: bool, force: bool, leader: bool
) -> tuple[RunRecord, Path | None]:
    """Prepare ``folder``; return the run as it was started, and the state to resume from (None: the first step).

    Args:
        folder: see :func:`run_folder_path`.
        record: the run that is about to start.
        resume: continue from the newest complete state.
        force: discard an unfinished run.
        leader: whether this process writes the files of the run.

    Raises:
        CheckpointError: there is an unfinished run and neither ``resume`` nor ``force`` is set, there is
            nothing to resume, or the unfinished run was started with another config or other data.
    """
    if resume:
        started = _read_same_run(folder / _RECORD, record)
        if leader:
            remove_incomplete_points(folder)
        return started, last_resume_point(folder)
    if leader:
        if (folder / _RECORD).is_file() and not force:
            raise CheckpointError(
                f"{folder} holds an unfinished run; continue it with --resume, or discard it with --force"
            )
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        temporary = folder / f"{_RECORD}.new"
        temporary.write_text(records.to_json(record), "utf-8")
        temporary.replace(folder / _RECORD)
    return record, None


def _read_same_run(file: Path, record: RunRecord) -> RunRecord:
    if not file.is_file():
        raise CheckpointError(f"there is no unfinished run in {file.parent}; start it without --resume")
    try:
        started = records.from_json(RunRecord, file.read_bytes(), where=file.name)
    except RecordError as error:
        raise CheckpointError(f"{file} is damaged: {error}") from error
    changed = [name for name, spec in record.files.items() if started.files.get(name) != spec]
    if changed:
        raise CheckpointError(
            f"cannot resume: {', '.join(changed)} changed since the run was started; use --force to start again"
        )
    if dataclasses.replace(started, plan=record.plan) != record:
        raise CheckpointError(
            "cannot resume: the config, --from or the number of processes changed; use --force to start again"
        )
    return started
