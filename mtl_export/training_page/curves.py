"""TrainingRecord -> charts of its history: the headline metric and the loss of a task, and the loss of all tasks."""

from collections.abc import Mapping

from mtl_export.checkpoint import TrainingRecord
from mtl_export.training_page.line_chart import Baseline, Line, line_chart
from mtl_export.training_page.scores import format_metric
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import HEADLINE, TaskMetrics
from mtl_runtime.report import number_format
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.html import Markup, tag

__all__ = ["loss_chart", "metric_chart", "training_loss_chart"]

_MODEL, _TRAINING = 0, 2  # styles


def metric_chart(task: TaskSpec, training: TrainingRecord) -> Markup | None:
    """Draw the task's headline metric with the probe and the majority; None: the history has no point of it."""
    metric = HEADLINE[task.kind]
    points = tuple(
        (evaluation.step, evaluation.metrics[task.name][metric])
        for evaluation in training.history
        if metric in evaluation.metrics.get(task.name, {})
    )
    if not points:
        return None
    sides: Mapping[str, tuple[str, Mapping[str, TaskMetrics]]] = {
        "probe": ("probe", training.probe),
        "majority": ("constant", training.majority),
    }
    baselines = [
        Baseline(name, side[task.name].values[metric], class_)
        for name, (class_, side) in sides.items()
        if task.name in side
    ]
    name = METRICS[metric][0]
    chart = line_chart(
        f"{task.name}: {name} by step",
        Line(name, points, _MODEL),
        baselines=baselines,
        best_step=training.best_step,
        format_value=lambda value: format_metric(metric, value),
        ceiling=1.0,
    )
    return tag("figure", chart, tag("figcaption", f"{name} on the validation rows."))


def loss_chart(task: TaskSpec, training: TrainingRecord) -> Markup | None:
    """Draw the task's validation loss; None: the history has no point of it."""
    points = tuple(
        (evaluation.step, evaluation.validation_loss[task.name])
        for evaluation in training.history
        if task.name in evaluation.validation_loss
    )
    if not points:
        return None
    chart = line_chart(
        f"{task.name}: validation loss by step",
        Line("validation loss", points, _MODEL),
        best_step=training.best_step,
        format_value=number_format.small,
    )
    return tag("figure", chart, tag("figcaption", "Mean loss over the validation rows with a label of this task."))


def training_loss_chart(training: TrainingRecord) -> Markup | None:
    """Draw the training loss, the weighted sum over all tasks; None: the history has no point of it."""
    points = tuple(
        (evaluation.step, evaluation.training_loss)
        for evaluation in training.history
        if evaluation.training_loss is not None
    )
    if not points:
        return None
    chart = line_chart(
        "training loss by step",
        Line("training loss", points, _TRAINING),
        best_step=training.best_step,
        format_value=number_format.small,
    )
    caption = "Weighted sum over all tasks, mean over the steps since the evaluation before; with dropout."
    return tag("figure", chart, tag("figcaption", caption))
