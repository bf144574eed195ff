"""model + data -> the same model with its best weights and thresholds, and its metrics on the validation split."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback

from mtl_export.config import Config
from mtl_export.model import MultiTaskModel
from mtl_export.model.losses import MultiTaskLoss, class_weights
from mtl_export.training.dataset import LabelledTexts, collate
from mtl_export.training.progress import TrainingProgress
from mtl_export.training.resume_points import CompletionMark
from mtl_export.training.trainer import MultiTaskTrainer, TrainedModule, training_arguments
from mtl_export.training.training_data import TrainingData
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import TaskMetrics, best_thresholds

__all__ = ["FitResult", "fit"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """Steps of a run, and the metrics of its best weights."""

    steps: int
    best_step: int
    validation: dict[str, TaskMetrics]  # on the validation split, by task
    wait_for_everyone: Callable[[], None]  # a barrier over all processes


def fit(
    model: MultiTaskModel,
    data: TrainingData,
    config: Config,
    *,
    folder: Path,
    state: Path | None,
    processes: int,
    console: Console | None,
) -> FitResult:
    """Train ``model`` in place, from ``state`` on if there is one.

    Afterwards it has the weights of the epoch with the best validation score, and its multi_label tasks
    have the thresholds with the best F1 on the validation split.

    Args:
        model: its frozen parts do not change.
        data: both splits.
        config: of the run.
        folder: for the resumable states.
        state: a complete state in ``folder``; None: start at the first step.
        processes: number of processes that train together.
        console: where to draw a progress bar; None: nowhere.
    """
    rows = LabelledTexts.of(data.train.rows, data.specs, model)
    validation = LabelledTexts.of(data.validation.rows, data.specs, model, sort=True)
    progress = TrainingProgress(console)
    patience = config.training.early_stopping
    trainer = MultiTaskTrainer(
        config=config,
        tasks=data.specs,
        model=TrainedModule(model, _build_loss(data, rows, config)),
        args=training_arguments(config, folder, processes=processes),
        data_collator=partial(collate, model),
        train_dataset=rows,
        eval_dataset=validation,
        callbacks=[
            CompletionMark(config.training.checkpoint_steps),
            progress,
            *([EarlyStoppingCallback(early_stopping_patience=patience)] if patience else []),
        ],
    )
    for unwanted in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(unwanted)
    with progress:
        trainer.train(resume_from_checkpoint=str(state) if state else None)
    return FitResult(
        steps=trainer.state.global_step,
        best_step=trainer.state.best_global_step or trainer.state.global_step,
        validation=_set_thresholds(trainer, validation, model),
        wait_for_everyone=trainer.accelerator.wait_for_everyone,
    )


def _build_loss(data: TrainingData, rows: LabelledTexts, config: Config) -> MultiTaskLoss:
    weights = {spec.name: class_weights(spec, data.tasks[spec.name], rows.targets[spec.name]) for spec in data.specs}
    return MultiTaskLoss(data.specs, data.tasks, weights, weighting=config.training.loss_weighting)


def _set_thresholds(
    trainer: MultiTaskTrainer, validation: LabelledTexts, model: MultiTaskModel
) -> dict[str, TaskMetrics]:
    """Put the best thresholds into the specs of model and trainer, and measure with them."""
    output: Any = trainer.predict(validation)

    def with_thresholds(spec: TaskSpec) -> TaskSpec:
        if spec.kind != "multi_label":
            return spec
        thresholds = best_thresholds(spec, output.label_ids[spec.name], output.predictions[spec.name])
        return dataclasses.replace(spec, thresholds=thresholds)

    trainer.tasks = tuple(with_thresholds(spec) for spec in trainer.tasks)
    trained = {spec.name: spec for spec in trainer.tasks}
    tasks = tuple(trained.get(spec.name, spec) for spec in model.spec.tasks)
    model.spec = dataclasses.replace(model.spec, tasks=tasks)
    return trainer.task_metrics(output.predictions, output.label_ids)
