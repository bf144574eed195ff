"""The folder with the resume points of a run, next to its output, and the record of what was started there."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from mtl_export.checkpoint import StudentOrigin, TrainingPlan
from mtl_export.config import Config, SourceConfig
from mtl_export.errors import CheckpointError
from mtl_export.folder_marks import (
    RUN_RECORD,
    check_no_unfinished_run,
    check_run_folder,
    remove_run_folder,
    run_folder_path,
)
from mtl_export.training.loop.resume_points import last_resume_point, remove_incomplete_points, step_of
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.atomic_file import replace_text
from mtl_runtime.core.outputs import check_folder, refuse_link
from mtl_runtime.errors import RecordError

__all__ = ["Run", "RunInputs", "RunRecord", "note_how_to_continue", "open_run", "read_run_record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputs:
    """What decides the weights that a run ends with; it can be resumed only with the same."""

    config: Config
    files: Mapping[str, FileSpec]  # every data file, by its path in the config
    base: str | None  # SHA-256 of the weights that it starts from
    processes: int
    student: StudentOrigin | None = field(default=None, metadata=records.if_set())

    def describe_change(self, earlier: Self) -> str | None:
        """What differs from ``earlier``, as the subject and verb of a sentence; None: nothing."""
        changed = [name for name, spec in self.files.items() if earlier.files.get(name) != spec]
        if changed:
            return f"{', '.join(changed)} changed"
        if self != earlier:
            return "the config, --from or the number of processes changed"
        return None

    def relative_to(self, target: Path) -> Self:
        """The same with paths relative to the folder ``target``, so that data and checkpoint can move together."""

        def relative_path(name: str) -> str:
            return os.path.relpath(name, target.absolute())

        def with_relative_paths(source: SourceConfig) -> SourceConfig:
            train, validation, test = (
                tuple(map(relative_path, files)) for files in (source.train, source.validation, source.test)
            )
            return dataclasses.replace(source, train=train, validation=validation, test=test)

        data = self.config.data
        sources = tuple(map(with_relative_paths, data.sources))
        return dataclasses.replace(
            self,
            config=dataclasses.replace(self.config, data=dataclasses.replace(data, sources=sources)),
            files={relative_path(name): spec for name, spec in self.files.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What a run was started with."""

    inputs: RunInputs
    plan: TrainingPlan  # what is timed here may come out differently when the run is resumed: this one is followed
    replace: bool = field(default=False, metadata=records.if_set())  # the output, where there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that is about to start or to continue."""

    folder: Path
    record: RunRecord
    resume_point: Path | None = None  # None: it starts at the first step

    @property
    def config(self) -> Config:
        """What the run trains, and how."""
        return self.record.inputs.config

    @property
    def plan(self) -> TrainingPlan:
        """What the config comes to."""
        return self.record.plan


def open_run(
    target: Path,
    inputs: RunInputs,
    *,
    make_plan: Callable[[], TrainingPlan],
    resume: bool,
    force: bool,
    leader: bool,
) -> Run:
    """Continue the unfinished run that writes to ``target``, or start one.

    Args:
        target: folder of the checkpoint.
        inputs: of the run that is about to start.
        make_plan: makes the plan of a new run; that of an unfinished one is in its record.
        resume: continue from the newest complete resume point; where there is no unfinished run, start one.
        force: discard an unfinished run, and replace ``target``.
        leader: whether this process writes the files of the run.

    Raises:
        CheckpointError: there is an unfinished run and neither ``resume`` nor ``force`` is set, or it was started with
            another config or other data.
        MtlError: ``target`` exists and may not be replaced, or is a link.
    """
    folder = run_folder_path(target)
    record = read_run_record(folder) if resume else None
    if record is None:
        check_folder(target, replace=force)
        record = RunRecord(inputs=inputs, plan=make_plan(), replace=force)
        if leader:
            _start(target, record)
        return Run(folder=folder, record=record)
    if (change := inputs.describe_change(record.inputs)) is not None:
        raise CheckpointError(f"cannot resume: {change} since the run was started; use --force to start again")
    check_folder(target, replace=record.replace)
    if leader:
        remove_incomplete_points(folder)
    return Run(folder=folder, record=record, resume_point=last_resume_point(folder))


def read_run_record(folder: Path) -> RunRecord | None:
    """The record of the unfinished run in ``folder``; None where there is none.

    Raises:
        CheckpointError: it is damaged.
    """
    file = folder / RUN_RECORD
    if not file.is_file():
        return None
    try:
        return records.from_json(RunRecord, file.read_bytes(), where=file.name)
    except RecordError as error:
        raise CheckpointError(f"{file} is damaged: {error}; use --force to start again") from error


def _start(target: Path, record: RunRecord) -> None:
    """Make an empty run folder with its record."""
    if not record.replace:
        check_no_unfinished_run(target)
    folder = run_folder_path(target)
    refuse_link(folder)
    check_run_folder(target)
    remove_run_folder(folder)
    folder.mkdir(parents=True)
    replace_text(folder / RUN_RECORD, records.to_json(record))


@contextmanager
def note_how_to_continue(folder: Path) -> Iterator[None]:
    """Add to whatever ends the run early, an error or Ctrl-C, how to continue it; without a resume point, remove it."""
    try:
        yield
    except BaseException as error:
        point = last_resume_point(folder)
        if point is None:
            error.add_note("stopped before the first resume point was saved; the same command starts again")
            remove_run_folder(folder)
        else:
            error.add_note(f"saved up to step {step_of(point)}; the same command with --resume continues from there")
        raise
