"""Config -> Checkpoint: read the data, fit the model, keep the best weights, write them whole."""

import dataclasses
import logging
import os
import shutil
from collections.abc import Callable
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
from mtl_export.training.fit import Fitted, fit
from mtl_export.training.initial_model import base_digest, initial_model, tasks_with_base_labels
from mtl_export.training.run_folder import RunRecord, open_run_folder, run_folder_path
from mtl_export.training.training_data import TrainingData, data_digests
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
    report: Callable[[str], None] = _log.info,
    console: Console | None = None,
) -> Checkpoint:
    """Train the tasks of ``config`` and write a checkpoint to the folder ``output``.

    The states of a run that has not ended lie in ``<output>.run``; a run that was killed goes on from there
    with ``resume``, on the same machine and number of threads to the same weights, bit for bit. Under
    torchrun every process calls this function; the first one writes.

    Args:
        config: tasks, data, encoder and training.
        output: folder of the checkpoint; appears whole or not at all.
        base: checkpoint to go on from. Its encoder and all heads but those of the config's tasks stay
            bit-identical: a task it does not know is added, one it knows is tuned.
        resume: go on with an unfinished run.
        force: replace ``output`` and throw an unfinished run away.
        report: is told a line per epoch, and about skipped rows.
        console: draw a progress bar here.

    Raises:
        ConfigError, DataError, EncoderError, CheckpointError, TableError: the message says what to do.
    """
    target = Path(output)
    check_can_write(target, force=force)
    processes, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if config.training.batch_size % processes:
        raise ConfigError(f"training.batch_size {config.training.batch_size} is no multiple of {processes} processes")
    start = load_checkpoint(base) if base is not None else None
    data = TrainingData.read(config, tasks_with_base_labels(config, start) if start else config.tasks, report)
    run = RunRecord(
        config=config,
        files=data_digests(config),
        base=base_digest(start) if start else None,
        processes=processes,
    )
    folder = run_folder_path(target)
    set_seed(config.training.seed)
    # Before the run's folder is there: a mistake in [encoder] must leave nothing to resume.
    model = initial_model(config, start, data.specs)
    state = open_run_folder(folder, run, resume=resume, force=force, leader=rank == 0)
    if resume:
        report(f"resuming from {state.name}" if state else "the run has no complete state yet; starting anew")
    fitted = fit(model, data, config, folder=folder, state=state, processes=processes, report=report, console=console)
    record = CheckpointRecord(
        format_version=FORMAT_VERSION,
        model=model.spec,
        training=_training_record(target, run, data, model, fitted),
        made_with=installed_versions(),
    )
    if rank == 0:
        save_checkpoint(target, model, record, force=force)
        shutil.rmtree(folder)
    fitted.wait_for_everyone()
    return Checkpoint(target, model.to("cpu").eval(), record)


def _training_record(
    target: Path, run: RunRecord, data: TrainingData, model: MultiTaskModel, fitted: Fitted
) -> TrainingRecord:
    """The run as the checkpoint remembers it: paths are relative to the checkpoint, so that both can move together."""

    def relative(name: str) -> str:
        return os.path.relpath(name, target.absolute())

    def moved(source: SourceConfig) -> SourceConfig:
        train, validation, test = (
            tuple(map(relative, files)) for files in (source.train, source.validation, source.test)
        )
        return dataclasses.replace(source, train=train, validation=validation, test=test)

    sources = tuple(moved(source) for source in run.config.data.sources)
    return TrainingRecord(
        config=dataclasses.replace(run.config, data=dataclasses.replace(run.config.data, sources=sources)),
        files={relative(name): spec for name, spec in run.files.items()},
        best_step=fitted.best_step,
        steps=fitted.steps,
        validation=fitted.validation,
        skipped_rows=data.skipped,
        fresh_weights=model.fresh_weights,
        base=run.base,
    )
