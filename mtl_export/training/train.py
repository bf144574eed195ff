"""Config -> Checkpoint: read the data, fit the model, save its best weights."""

import dataclasses
import logging
import os
import shutil
from pathlib import Path

from rich.console import Console
from transformers import set_seed

from mtl_export.atomic_folder import check_can_write
from mtl_export.checkpoint import (
    FORMAT_VERSION,
    Checkpoint,
    CheckpointRecord,
    TrainingRecord,
    load_checkpoint,
    save_checkpoint,
)
from mtl_export.config import Config, SourceConfig
from mtl_export.errors import ConfigError
from mtl_export.model import MultiTaskModel
from mtl_export.training.findings import find_problems
from mtl_export.training.fit import FitResult, fit
from mtl_export.training.initial_model import (
    base_digest,
    initial_model,
    specs_with_base_standardization,
    tasks_with_base_labels,
)
from mtl_export.training.majority import majority_metrics
from mtl_export.training.plan import log_plan, plan_training, training_device
from mtl_export.training.preflight import check_before_training
from mtl_export.training.run_folder import RunRecord, open_run_folder, run_folder_path
from mtl_export.training.training_data import TrainingData, data_digests
from mtl_export.training_page import training_page
from mtl_runtime.core.installed_packages import installed_versions

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

    The states of an unfinished run are in ``<output>.run``. A run that was killed continues from there with
    ``resume`` and, on the same machine with the same number of threads, ends with the same weights, bit for bit.
    Under torchrun every process calls this function; the first process writes. Stages, skipped rows and each
    evaluation are logged at INFO.

    Args:
        config: tasks, data, encoder and training.
        output: folder of the checkpoint; it appears whole or not at all.
        base: checkpoint to start from. Its encoder and all heads except those of the config's tasks stay
            bit-identical: a task that it does not have is added, a task that it has is tuned.
        resume: continue an unfinished run.
        force: replace ``output`` and discard an unfinished run.
        console: draw a progress bar here; without it a line is logged for each tenth of the steps.

    Raises:
        ConfigError, DataError, EncoderError, CheckpointError, TableError: the message says what to do.
    """
    target = Path(output)
    check_can_write(target, force=force)
    processes, rank = _processes_and_rank(config)
    start = load_checkpoint(base) if base is not None else None
    data = TrainingData.read(config, tasks_with_base_labels(config, start) if start else config.tasks)
    if start is not None:
        data = dataclasses.replace(data, specs=specs_with_base_standardization(data.specs, start))
    folder = run_folder_path(target)
    set_seed(config.training.seed)
    # Before the run folder exists: a mistake in [encoder] must leave nothing that would have to be resumed.
    model = initial_model(config, start, data.specs)
    check_before_training(model)
    run = RunRecord(
        config=config,
        files=data_digests(config),
        base=base_digest(start) if start else None,
        processes=processes,
        plan=plan_training(
            config.training,
            rows=len(data.train.rows),
            hidden_size=model.spec.encoder.hidden_size,
            device=training_device(),
            processes=processes,
            encoder_frozen=config.training.freeze_encoder or start is not None,
        ),
    )
    run, state = open_run_folder(folder, run, resume=resume, force=force, leader=rank == 0)
    log_plan(run.plan)
    if resume and state:
        _log.info("resuming from %s", state.name)
    elif resume:
        _log.info("the run has no complete state; starting at the first step")
    trained_before = {task.name for task in start.record.model.tasks} if start else set()
    result = fit(
        model,
        data,
        config,
        run.plan,
        new_heads=frozenset(config.tasks) - trained_before,
        folder=folder,
        state=state,
        processes=processes,
        console=console,
    )
    record = CheckpointRecord(
        format_version=FORMAT_VERSION,
        model=model.spec,
        training=_training_record(target, run, data, model, result),
        made_with=installed_versions(),
    )
    if rank == 0:
        for finding in record.training.findings:
            _log.warning("%s", finding)
        save_checkpoint(target, model, record, page=training_page(record, title=target.name), force=force)
        shutil.rmtree(folder)
    result.wait_for_everyone()
    return Checkpoint(target, model.to("cpu").eval(), record)


def _processes_and_rank(config: Config) -> tuple[int, int]:
    """Number of processes that train together, and the number of this one, as torchrun sets them."""
    processes, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if config.training.batch_size != "auto" and config.training.batch_size % processes:
        raise ConfigError(
            f"training.batch_size {config.training.batch_size} is not a multiple of the {processes} processes"
        )
    return processes, rank


def _training_record(
    target: Path, run: RunRecord, data: TrainingData, model: MultiTaskModel, result: FitResult
) -> TrainingRecord:
    """The run in the form of checkpoint.json: paths are relative to the checkpoint, so that both can move together."""

    def relative_path(name: str) -> str:
        return os.path.relpath(name, target.absolute())

    def with_relative_paths(source: SourceConfig) -> SourceConfig:
        train, validation, test = (
            tuple(map(relative_path, files)) for files in (source.train, source.validation, source.test)
        )
        return dataclasses.replace(source, train=train, validation=validation, test=test)

    sources = tuple(with_relative_paths(source) for source in run.config.data.sources)
    majority = majority_metrics(data)
    return TrainingRecord(
        config=dataclasses.replace(run.config, data=dataclasses.replace(run.config.data, sources=sources)),
        files={relative_path(name): spec for name, spec in run.files.items()},
        best_step=result.best_step,
        steps=result.steps,
        validation=result.validation,
        skipped_rows=data.skipped,
        newly_initialized=model.newly_initialized,
        base=run.base,
        plan=run.plan,
        majority=majority,
        probe=result.probe,
        history=result.history,
        splits=data.label_counts,
        findings=find_problems(
            data, model=result.validation, majority=majority, probe=result.probe, history=result.history
        ),
    )
