"""Config -> Checkpoint: read the data, build the model, train it."""

import dataclasses
import os
from pathlib import Path

from rich.console import Console
from transformers import set_seed

from mtl_export.checkpoint import Checkpoint, load_checkpoint, weights_digest
from mtl_export.config import Config
from mtl_export.preflight import check_training
from mtl_export.training.encoder_trial import try_encoder
from mtl_export.training.findings import find_data_problems
from mtl_export.training.initial_model import (
    initial_model,
    specs_with_base_standardization,
    tasks_with_base_labels,
)
from mtl_export.training.run_folder import RunInputs
from mtl_export.training.run_training import count_processes, finished_checkpoint, run_training, warn_of
from mtl_export.training.training_data import TrainingData, data_digests

__all__ = ["train"]


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
    start = load_checkpoint(base) if base is not None else None
    data = _read_data(config, start)
    inputs = RunInputs(
        config=config,
        files=data_digests(config),
        base=weights_digest(start) if start else None,
        processes=count_processes(config),
    )
    if resume and (finished := finished_checkpoint(target, inputs)) is not None:
        return finished
    about_data = find_data_problems(data)
    warn_of(about_data)
    set_seed(config.training.seed)
    # Before the run folder exists: a mistake in [encoder] must leave nothing that would have to be resumed.
    model = initial_model(config, start, data.specs)
    try_encoder(model)
    return run_training(
        target,
        model,
        data,
        inputs,
        new_heads=_new_heads(config, start),
        about_data=about_data,
        resume=resume,
        force=force,
        console=console,
    )


def _read_data(config: Config, start: Checkpoint | None) -> TrainingData:
    data = TrainingData.read(config, tasks_with_base_labels(config, start) if start else config.tasks)
    return dataclasses.replace(data, specs=specs_with_base_standardization(data.specs, start)) if start else data


def _new_heads(config: Config, start: Checkpoint | None) -> frozenset[str]:
    """The tasks whose heads are not trained yet."""
    return frozenset(config.tasks) - {task.name for task in (start.record.model.tasks if start else ())}
