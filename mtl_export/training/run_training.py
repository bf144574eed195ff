"""model + data + RunInputs -> Checkpoint: one run, from its plan to the folder of its best weights."""

import logging
import os
from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from rich.console import Console

from mtl_export.checkpoint import Checkpoint, TrainingPlan, load_checkpoint, save_checkpoint
from mtl_export.config import Config
from mtl_export.errors import CheckpointError, ConfigError
from mtl_export.folder_marks import CHECKPOINT_RECORD, lock_run, remove_run_folder, run_folder_path
from mtl_export.model import MultiTaskModel
from mtl_export.training.checkpoint_record import build_checkpoint_record
from mtl_export.training.distilled_rows import DistilledRows
from mtl_export.training.fit import fit
from mtl_export.training.plan import log_plan, plan_training, training_device
from mtl_export.training.run_folder import Run, RunInputs, note_how_to_continue, open_run, read_run_record
from mtl_export.training.training_data import TrainingData
from mtl_export.training_page import training_page
from mtl_runtime.bundle.training_summary import Finding

__all__ = ["count_processes", "finished_checkpoint", "run_training", "warn_of"]

_log = logging.getLogger(__name__)


def run_training(
    target: Path,
    model: MultiTaskModel,
    data: TrainingData,
    inputs: RunInputs,
    *,
    new_heads: frozenset[str],
    about_data: tuple[Finding, ...],
    resume: bool,
    force: bool,
    console: Console | None,
    distilled: DistilledRows | None = None,
) -> Checkpoint:
    """Start or continue the run that writes to the folder ``target``, and write its checkpoint.

    Args:
        target: of the checkpoint; it appears whole or not at all.
        model: is trained in place.
        data: both splits.
        inputs: what decides the weights.
        new_heads: as in :func:`mtl_export.training.fit.fit`.
        about_data: findings that the record keeps.
        resume: continue an unfinished run; where there is none, start one.
        force: replace ``target`` and discard an unfinished run.
        console: as in :func:`mtl_export.training.fit.fit`.
        distilled: rows with a teacher's answers, in place of the training split's.

    Raises:
        CheckpointError: as :func:`mtl_export.training.run_folder.open_run`, or a resume point cannot be written.
        MtlError: another process is writing ``target``.
    """
    rows = len(distilled.rows if distilled else data.train.rows)
    make_plan = partial(_plan, inputs, rows, model)
    with lock_run(target) if _is_first() else nullcontext():
        run = open_run(target, inputs, make_plan=make_plan, resume=resume, force=force, leader=_is_first())
        # Whoever compresses has not asked for a student to be resumed: that is how its run always begins.
        _log_start(run, resume=resume and distilled is None)
        with note_how_to_continue(run.folder) if _is_first() else nullcontext():
            result = fit(model, data, run, new_heads=new_heads, console=console, distilled=distilled)
            record = build_checkpoint_record(target, run, data, model, result, about_data)
            checkpoint = Checkpoint(target, model, record)
            warn_of(finding for finding in record.training.findings if finding not in about_data)
            if _is_first():
                _save(checkpoint, run)
        result.wait_for_everyone()
    model.to("cpu").eval()
    return checkpoint


def finished_checkpoint(target: Path, inputs: RunInputs) -> Checkpoint | None:
    """The checkpoint that a run with these inputs wrote to ``target``; None where a run is still to be finished.

    Raises:
        CheckpointError: the checkpoint there is of another run.
    """
    unfinished = read_run_record(run_folder_path(target))
    if not (target / CHECKPOINT_RECORD).is_file() or (unfinished is not None and unfinished.replace):
        return None
    checkpoint, expected = load_checkpoint(target), inputs.relative_to(target)
    training = checkpoint.record.training
    if (training.config, training.files, training.base, training.student) != (
        expected.config,
        expected.files,
        expected.base,
        expected.student,
    ):
        raise CheckpointError(
            f"{target} was trained with another config, other data or another --from; name another output, or replace "
            f"it with --force"
        )
    # A process that was killed after the checkpoint was complete leaves its folder.
    if _is_first() and unfinished is not None:
        remove_run_folder(run_folder_path(target))
    _log.info("%s is finished: nothing is left to resume", target)
    return checkpoint


def count_processes(config: Config) -> int:
    """Number of processes that train together, as torchrun sets it.

    Raises:
        ConfigError: they cannot share the config's batches evenly.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if config.training.batch_size != "auto" and config.training.batch_size % processes:
        raise ConfigError(
            f"training.batch_size {config.training.batch_size} is not a multiple of the {processes} processes"
        )
    return processes


def warn_of(findings: Iterable[Finding]) -> None:
    """Log each finding, in the first process."""
    for finding in findings if _is_first() else ():
        _log.warning("%s", finding.text)


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _plan(inputs: RunInputs, rows: int, model: MultiTaskModel) -> TrainingPlan:
    training = inputs.config.training
    return plan_training(
        training,
        rows=rows,
        hidden_size=model.spec.encoder.hidden_size,
        device=training_device(),
        processes=inputs.processes,
        encoder_frozen=training.freeze_encoder or inputs.base is not None,
    )


def _log_start(run: Run, *, resume: bool) -> None:
    log_plan(run.plan)
    if run.resume_point is not None:
        _log.info("resuming from %s", run.resume_point.name)
    elif resume:
        _log.info("there is no resume point in %s; starting at the first step", run.folder)


def _save(checkpoint: Checkpoint, run: Run) -> None:
    """Write the checkpoint, and remove the folder of its run."""
    target, record = checkpoint.path, checkpoint.record
    page = training_page(record, title=target.name)
    save_checkpoint(target, checkpoint.model, record, page=page, force=run.record.replace)
    remove_run_folder(run.folder)
