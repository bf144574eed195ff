"""model + data + run -> the same model with its best weights and thresholds, and what was measured on the way."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from mtl_export.checkpoint import Evaluation, TrainingPlan, write_errors_of_libraries
from mtl_export.config import Config
from mtl_export.model import MultiTaskModel
from mtl_export.model.distillation import DistillationLoss
from mtl_export.model.losses import MultiTaskLoss, class_weights
from mtl_export.training.distilled_rows import DistilledRows
from mtl_export.training.final_weights import FittedStart, HeadFit, keep_best_weights
from mtl_export.training.loop.dataset import LabelledTexts, collate
from mtl_export.training.loop.evaluation_schedule import EvaluationSchedule
from mtl_export.training.loop.held_signals import HeldSignals
from mtl_export.training.loop.history import SCORE, read_history
from mtl_export.training.loop.progress import TrainingProgress
from mtl_export.training.loop.resume_points import CompletionMark
from mtl_export.training.loop.selection import EarlyStopping
from mtl_export.training.loop.trainer import MultiTaskTrainer, TrainedModule, training_arguments
from mtl_export.training.plan import training_device
from mtl_export.training.probe import fit_heads
from mtl_export.training.run_folder import Run
from mtl_export.training.training_data import TrainingData
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import TaskMetrics, best_thresholds, task_metrics

__all__ = ["FitResult", "fit"]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """Steps of a run, and what was measured on the validation split."""

    steps: int
    best_step: int  # 0: no step made the model better than it was at the start
    validation: Mapping[str, TaskMetrics]  # of the best weights, by task
    probe: Mapping[str, TaskMetrics]  # of the fitted heads before the first step, by task
    history: tuple[Evaluation, ...]
    wait_for_everyone: Callable[[], None]  # a barrier over all processes


def fit(
    model: MultiTaskModel,
    data: TrainingData,
    run: Run,
    *,
    new_heads: frozenset[str],
    console: Console | None,
    distilled: DistilledRows | None = None,
) -> FitResult:
    """Train ``model`` in place, from the run's resume point on if there is one.

    Heads in ``new_heads`` start fitted to the frozen encoder, unless the config says "random". Afterwards the model has
    the best weights (see :mod:`mtl_export.training.loop.selection`), which may be those before the first step, and its
    multi_label tasks have the thresholds with the best F1 on the validation split.

    Args:
        model: its frozen parts do not change.
        data: both splits.
        run: its config, its plan, and its folder for resume points.
        new_heads: names of tasks whose heads are not trained yet.
        console: where to draw a progress bar; None: nowhere.
        distilled: rows in place of the training split's, with a teacher's answers that the model learns, too.

    Raises:
        CheckpointError: a resume point cannot be written.
    """
    config, processes = run.config, run.record.inputs.processes
    rows = LabelledTexts.of(distilled.rows if distilled else data.train.rows, data.specs, model)
    if distilled is not None:
        rows = dataclasses.replace(rows, teacher=distilled.answers)
    validation = LabelledTexts.of(data.validation.rows, data.specs, model, sort=True)
    fitted = new_heads if config.training.initial_heads == "probe" else frozenset()
    if fitted:
        _log.info("fitting the heads to the frozen encoder, which reads the %d training sentences once", len(rows))
    fit_heads(model.to(training_device()), rows, data.tasks, fitted)
    progress, signals = TrainingProgress(console), HeldSignals(processes=processes)
    trainer = MultiTaskTrainer(
        config=config,
        plan=run.plan,
        tasks=data.specs,
        # A student imitates what its teacher answers without dropout: noise in its own answers would only slow it.
        model=TrainedModule(model, _build_loss(data, rows, config, run.plan, distilled), dropout=distilled is None),
        args=training_arguments(config, run.plan, run.folder, processes=processes),
        data_collator=partial(collate, model),
        train_dataset=rows,
        eval_dataset=validation,
        callbacks=_callbacks(run, progress, signals),
    )
    for unwanted in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(unwanted)
    if fitted:
        _log.info(
            "evaluating them on the %d validation sentences: the score that training has to beat", len(validation)
        )
    start = _measure_start(trainer, validation, model) if fitted else None
    if start is not None:
        trainer.start_score = start.score
    _log.info("training for %d steps; after ten seconds a line says how long they take", run.plan.steps)
    with progress, write_errors_of_libraries(run.folder), signals:
        trainer.train(resume_from_checkpoint=str(run.resume_point) if run.resume_point else None)
    best_step = trainer.state.best_global_step or trainer.state.global_step
    if start is not None:
        again = HeadFit(
            names=fitted,
            fit=partial(fit_heads, model, rows, data.tasks, fitted),
            score=lambda: trainer.flat_metrics(model.logits_of_tokens(validation.tokens), validation.targets)[SCORE],
        )
        best_step = keep_best_weights(trainer, model, run.folder, start, again if run.plan.contrastive_weight else None)
    history = read_history(trainer.state.log_history)
    return FitResult(
        steps=trainer.state.global_step,
        best_step=best_step,
        validation=_set_thresholds(trainer, validation, model),
        probe={spec.name: start.metrics[spec.name] for spec in data.specs if spec.name in fitted} if start else {},
        history=(start.evaluation, *history) if start else history,
        wait_for_everyone=trainer.accelerator.wait_for_everyone,
    )


def _callbacks(run: Run, progress: TrainingProgress, signals: HeldSignals) -> list[TrainerCallback]:
    patience = run.config.training.early_stopping
    return [
        EvaluationSchedule(run.plan.evaluation_epochs),
        CompletionMark(run.config.training.checkpoint_steps, signals),
        progress,
        *([EarlyStopping(patience)] if patience else []),
    ]


def _build_loss(
    data: TrainingData, rows: LabelledTexts, config: Config, plan: TrainingPlan, distilled: DistilledRows | None
) -> MultiTaskLoss:
    weights = {spec.name: class_weights(spec, data.tasks[spec.name], rows.targets[spec.name]) for spec in data.specs}
    if distilled is not None:
        return DistillationLoss(data.specs, distilled.tasks, weights, taught=distilled.specs)
    return MultiTaskLoss(
        data.specs,
        data.tasks,
        weights,
        weighting=config.training.loss_weighting,
        contrastive_weight=plan.contrastive_weight,
    )


def _measure_start(trainer: MultiTaskTrainer, validation: LabelledTexts, model: MultiTaskModel) -> FittedStart:
    # Not with trainer.predict: it wraps the model for evaluation, and several processes would then train each its own.
    logits = model.logits_of_tokens(validation.tokens)
    values = trainer.flat_metrics(logits, validation.targets)
    (evaluation,) = read_history(
        [{"step": 0, "epoch": 0.0, **{f"eval_{name}": value for name, value in values.items()}}]
    )
    fitted = {spec.name: spec for spec in _with_thresholds(trainer.tasks, validation, logits)}
    return FittedStart(
        weights={
            name: parameter.detach().to("cpu", copy=True)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        },
        metrics={name: task_metrics(spec, validation.targets[name], logits[name]) for name, spec in fitted.items()},
        evaluation=evaluation,
        score=values[SCORE],
    )


def _set_thresholds(
    trainer: MultiTaskTrainer, validation: LabelledTexts, model: MultiTaskModel
) -> dict[str, TaskMetrics]:
    """Put the best thresholds into the specs of model and trainer, and measure with them, in fp32."""
    logits = model.logits_of_tokens(validation.tokens)
    trainer.tasks = _with_thresholds(trainer.tasks, validation, logits)
    trained = {spec.name: spec for spec in trainer.tasks}
    tasks = tuple(trained.get(spec.name, spec) for spec in model.spec.tasks)
    model.spec = dataclasses.replace(model.spec, tasks=tasks)
    return trainer.task_metrics(logits, validation.targets)


def _with_thresholds(
    specs: Sequence[TaskSpec], validation: LabelledTexts, logits: Mapping[str, NDArray[np.float32]]
) -> tuple[TaskSpec, ...]:
    """The tasks; multi_label ones with the thresholds that these logits of the validation rows have the best F1 at."""

    def fitted(spec: TaskSpec) -> TaskSpec:
        if spec.kind != "multi_label":
            return spec
        thresholds = best_thresholds(spec, validation.targets[spec.name], logits[spec.name])
        return dataclasses.replace(spec, thresholds=thresholds)

    return tuple(map(fitted, specs))
