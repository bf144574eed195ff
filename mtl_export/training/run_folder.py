"""output folder -> the folder beside it that holds a run's resumable states, and whose run they are."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mtl_export.config import Config
from mtl_export.errors import CheckpointError
from mtl_export.training.resume_points import last_resume_point, remove_incomplete_points
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = ["RunRecord", "open_run_folder", "run_folder_path"]

_RECORD = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What a run was started with; resuming with anything else is refused."""

    config: Config
    files: Mapping[str, FileSpec]
    base: str | None
    processes: int


def run_folder_path(output: Path) -> Path:
    """Where the states of a run that writes to ``output`` lie."""
    return output.with_name(f"{output.name}.run")


def open_run_folder(folder: Path, record: RunRecord, *, resume: bool, force: bool, leader: bool) -> Path | None:
    """Prepare ``folder`` for the run ``record`` and return the state to go on from, if any.

    Args:
        folder: see :func:`run_folder`.
        record: the run that is about to start.
        resume: go on from the newest complete state.
        force: throw an unfinished run away.
        leader: this process is the one that writes.

    Raises:
        CheckpointError: an unfinished run is there and neither ``resume`` nor ``force`` says what to do with
            it, there is nothing to resume, or the run there was started with another config or other data.
    """
    if resume:
        _same_run(folder / _RECORD, record)
        if leader:
            remove_incomplete_points(folder)
        return last_resume_point(folder)
    if leader:
        if (folder / _RECORD).is_file() and not force:
            raise CheckpointError(f"{folder} holds an unfinished run; go on with --resume, or start anew with --force")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        temporary = folder / f"{_RECORD}.new"
        temporary.write_text(records.to_json(record), "utf-8")
        temporary.replace(folder / _RECORD)
    return None


def _same_run(file: Path, record: RunRecord) -> None:
    if not file.is_file():
        raise CheckpointError(f"there is no unfinished run in {file.parent}; start it without --resume")
    try:
        before = records.from_json(RunRecord, file.read_bytes(), where=file.name)
    except RecordError as error:
        raise CheckpointError(f"{file} is damaged: {error}") from error
    changed = [name for name, spec in record.files.items() if before.files.get(name) != spec]
    if changed:
        raise CheckpointError(
            f"cannot resume: {', '.join(changed)} changed since the run was started; use --force to start anew"
        )
    if before != record:
        raise CheckpointError(
            "cannot resume: the config, --from or the number of processes changed; use --force to start anew"
        )
