"""Config -> Checkpoint: read the data, fit the model, save its best weights."""

import dataclasses
import logging
import os
import shutil
from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from rich.console import Console
from transformers import set_seed

from mtl_export.checkpoint import Checkpoint, TrainingPlan, load_checkpoint, save_checkpoint
from mtl_export.config import Config
from mtl_export.errors import CheckpointError, ConfigError
from mtl_export.folder_marks import CHECKPOINT_RECORD, run_folder_path
from mtl_export.model import MultiTaskModel
from mtl_export.preflight import check_training
from mtl_export.training.checkpoint_record import build_checkpoint_record
from mtl_export.training.encoder_trial import try_encoder
from mtl_export.training.findings import find_data_problems
from mtl_export.training.fit import fit
from mtl_export.training.initial_model import (
    base_digest,
    initial_model,
    specs_with_base_standardization,
    tasks_with_base_labels,
)
from mtl_export.training.plan import log_plan, plan_training, training_device
from mtl_export.training.run_folder import Run, RunInputs, note_how_to_continue, open_run, read_run_record
from mtl_export.training.training_data import TrainingData, data_digests
from mtl_export.training_page import training_page
from mtl_runtime.bundle.training_summary import Finding

__all__ = ["train"]

_log = logging.getLogger(__name__)


def train(
    config: Config,
    output: str | os.PathLike[str],
    *,
    base: str | os.PathLike[str] | None = None,
    resume: bool = False,
    force: bool = False,
    console: Console | None = None,
) -> Checkpoint:
    """Train the tasks of ``config`` and write a checkpoint to the folder ``output``.

    The resume points of an unfinished run are in ``<output>.run``. A run that was interrupted continues from the last
    one with ``resume`` and, on the same machine with the same number of threads, ends with the same weights, bit for
    bit. Under torchrun every process calls this function; the first process writes. Stages, skipped rows and each
    evaluation are logged at INFO.

    Args:
        config: tasks, data, encoder and training.
        output: folder of the checkpoint; it appears whole or not at all.
        base: checkpoint to start from. Its encoder and all heads except those of the config's tasks stay
            bit-identical: a task that it does not have is added, a task that it has is tuned.
        resume: continue an unfinished run. Where there is none, start one; where it is finished, return its checkpoint.
        force: replace ``output`` and discard an unfinished run.
        console: draw a progress bar here; without it a line is logged for each tenth of the steps.

    Raises:
        ConfigError, DataError, EncoderError, CheckpointError, TableError: the message says what to do.
    """
    target = Path(output)
    check_training(config, target, base=Path(base) if base is not None else None, resume=resume, force=force)
    processes, rank = _processes_and_rank(config)
    start = load_checkpoint(base) if base is not None else None
    data = _read_data(config, start)
    inputs = RunInputs(
        config=config, files=data_digests(config), base=base_digest(start) if start else None, processes=processes
    )
    if resume and (finished := _finished_checkpoint(target, inputs)) is not None:
        if rank == 0:  # a process that was killed after the checkpoint was complete leaves it
            shutil.rmtree(run_folder_path(target), ignore_errors=True)
        return finished
    about_data = find_data_problems(data)
    if rank == 0:
        _warn_of(about_data)
    set_seed(config.training.seed)
    # Before the run folder exists: a mistake in [encoder] must leave nothing that would have to be resumed.
    model = initial_model(config, start, data.specs)
    try_encoder(model)
    make_plan = partial(_plan, inputs, data, model)
    run = open_run(target, inputs, make_plan=make_plan, resume=resume, force=force, leader=rank == 0)
    _log_start(run, resume=resume)
    with note_how_to_continue(run.folder) if rank == 0 else nullcontext():
        result = fit(model, data, run, new_heads=_new_heads(config, start), console=console)
        record = build_checkpoint_record(target, run, data, model, result, about_data)
        checkpoint = Checkpoint(target, model, record)
        if rank == 0:
            _warn_of(finding for finding in record.training.findings if finding not in about_data)
            _save(checkpoint, run)
    result.wait_for_everyone()
    model.to("cpu").eval()
    return checkpoint


def _warn_of(findings: Iterable[Finding]) -> None:
    for finding in findings:
        _log.warning("%s", finding.text)


def _processes_and_rank(config: Config) -> tuple[int, int]:
    """Number of processes that train together, and the number of this one, as torchrun sets them."""
    processes, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if config.training.batch_size != "auto" and config.training.batch_size % processes:
        raise ConfigError(
            f"training.batch_size {config.training.batch_size} is not a multiple of the {processes} processes"
        )
    return processes, rank


def _read_data(config: Config, start: Checkpoint | None) -> TrainingData:
    data = TrainingData.read(config, tasks_with_base_labels(config, start) if start else config.tasks)
    return dataclasses.replace(data, specs=specs_with_base_standardization(data.specs, start)) if start else data


def _finished_checkpoint(target: Path, inputs: RunInputs) -> Checkpoint | None:
    """The checkpoint that a run with these inputs wrote to ``target``; None where a run is still to be finished.

    Raises:
        CheckpointError: the checkpoint there is of another run.
    """
    unfinished = read_run_record(run_folder_path(target))
    if not (target / CHECKPOINT_RECORD).is_file() or (unfinished is not None and unfinished.replace):
        return None
    checkpoint, expected = load_checkpoint(target), inputs.relative_to(target)
    training = checkpoint.record.training
    if (training.config, training.files, training.base) != (expected.config, expected.files, expected.base):
        raise CheckpointError(
            f"{target} was trained with another config, other data or another --from; name another output, or replace "
            f"it with --force"
        )
    _log.info("%s is finished: nothing is left to resume", target)
    return checkpoint


def _plan(inputs: RunInputs, data: TrainingData, model: MultiTaskModel) -> TrainingPlan:
    training = inputs.config.training
    return plan_training(
        training,
        rows=len(data.train.rows),
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


def _new_heads(config: Config, start: Checkpoint | None) -> frozenset[str]:
    """The tasks whose heads are not trained yet."""
    return frozenset(config.tasks) - {task.name for task in (start.record.model.tasks if start else ())}


def _save(checkpoint: Checkpoint, run: Run) -> None:
    """Write the checkpoint, and remove the folder of its run."""
    target, record = checkpoint.path, checkpoint.record
    page = training_page(record, title=target.name)
    save_checkpoint(target, checkpoint.model, record, page=page, force=run.record.replace)
    shutil.rmtree(run.folder)
