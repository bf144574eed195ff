"""model + data -> the same model with its best weights and chosen thresholds, and how well it does."""

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
from mtl_runtime.dataset.metrics import TaskMetrics, best_thresholds

__all__ = ["Fitted", "fit"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """How a model that was just fitted does on the validation split."""

    steps: int
    best_step: int
    validation: dict[str, TaskMetrics]
    wait_for_everyone: Callable[[], None]  # a barrier over all processes


def fit(
    model: MultiTaskModel,
    data: TrainingData,
    config: Config,
    *,
    folder: Path,
    state: Path | None,
    processes: int,
    report: Callable[[str], None],
    console: Console | None,
) -> Fitted:
    """Train ``model`` in place, from ``state`` on if there is one.

    Afterwards it has the weights of the epoch with the best validation score, and its multi_label tasks
    have the thresholds with the best F1 on the validation split.

    Args:
        model: its frozen parts stay as they are.
        data: both splits.
        config: says how.
        folder: where resumable states go.
        state: a complete state in ``folder``.
        processes: that train together.
        report: is told a line per epoch.
        console: draws a progress bar if there is one.
    """
    rows = LabelledTexts.of(data.train.rows, data.specs, model)
    validation = LabelledTexts.of(data.validation.rows, data.specs, model, sort=True)
    weights = {spec.name: class_weights(spec, data.tasks[spec.name], rows.targets[spec.name]) for spec in data.specs}
    loss = MultiTaskLoss(data.specs, data.tasks, weights, weighting=config.training.loss_weighting)
    patience = config.training.early_stopping
    trainer = MultiTaskTrainer(
        config=config,
        tasks=data.specs,
        model=TrainedModule(model, loss),
        args=training_arguments(config, folder, processes=processes),
        data_collator=partial(collate, model),
        train_dataset=rows,
        eval_dataset=validation,
        callbacks=[
            CompletionMark(config.training.checkpoint_steps),
            TrainingProgress(report, console),
            *([EarlyStoppingCallback(early_stopping_patience=patience)] if patience else []),
        ],
    )
    for unwanted in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(unwanted)
    trainer.train(resume_from_checkpoint=str(state) if state else None)
    return Fitted(
        steps=trainer.state.global_step,
        best_step=trainer.state.best_global_step or trainer.state.global_step,
        validation=_measure(trainer, validation, model),
        wait_for_everyone=trainer.accelerator.wait_for_everyone,
    )


def _measure(trainer: MultiTaskTrainer, validation: LabelledTexts, model: MultiTaskModel) -> dict[str, TaskMetrics]:
    """Choose thresholds, put them into the model's spec, and measure with them."""
    output: Any = trainer.predict(validation)
    chosen = {
        spec.name: dataclasses.replace(
            spec, thresholds=best_thresholds(spec, output.label_ids[spec.name], output.predictions[spec.name])
        )
        for spec in trainer.tasks
        if spec.kind == "multi_label"
    }
    tasks = tuple(chosen.get(task.name, task) for task in model.spec.tasks)
    model.spec = dataclasses.replace(model.spec, tasks=tasks)
    trainer.tasks = tuple(chosen.get(spec.name, spec) for spec in trainer.tasks)
    return trainer.task_metrics(output.predictions, output.label_ids)
