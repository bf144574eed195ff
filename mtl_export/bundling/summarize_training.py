"""training record -> TrainingSummary: how the model compares with its majority and its probe, and what was found."""

from mtl_export.checkpoint import TrainingRecord
from mtl_runtime.bundle.training_summary import TrainingSummary, ValidationScores
from mtl_runtime.dataset.metrics import TaskMetrics

__all__ = ["summarize_training"]


def summarize_training(training: TrainingRecord) -> TrainingSummary:
    """Summarize the tasks that have labelled validation rows."""
    validation = {
        name: ValidationScores(
            rows=metrics.rows,
            model=_without_majority(metrics),
            probe=_without_majority(training.probe.get(name)),
            majority=_without_majority(training.majority.get(name)) or _own_majority(metrics),
        )
        for name, metrics in training.validation.items()
        if metrics.rows
    }
    return TrainingSummary(validation=validation, findings=training.findings)


def _without_majority(metrics: TaskMetrics | None) -> dict[str, float]:
    return {} if metrics is None else {name: value for name, value in metrics.values.items() if name != "majority"}


def _own_majority(metrics: TaskMetrics) -> dict[str, float]:
    """Of a checkpoint of format version 1: the most frequent label of the validation rows themselves."""
    return {"accuracy": metrics.values["majority"]} if "majority" in metrics.values else {}
