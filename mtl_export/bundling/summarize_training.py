"""training record -> TrainingSummary: how the model compares with its majority and its probe, and what was found."""

from collections.abc import Mapping

from mtl_export.checkpoint import TrainingRecord
from mtl_runtime.bundle.training_summary import Problem, Rating, TrainingSummary, ValidationScores
from mtl_runtime.dataset.metrics import TaskMetrics

__all__ = ["summarize_training"]

# A finding of training about a task -> what it makes of the task; of several, the first counts.
_RATINGS: Mapping[Problem, Rating] = {
    "no_better_than_majority": "no better than the majority",
    "worse_than_probe": "worse than the probe",
    "other": "unknown",
}


def summarize_training(training: TrainingRecord) -> TrainingSummary:
    """Summarize the tasks that have labelled validation rows."""
    validation = {
        name: ValidationScores(
            rows=metrics.rows,
            model=metrics.values,
            probe=training.probe[name].values if name in training.probe else {},
            majority=training.majority[name].values if name in training.majority else _own_majority(metrics),
            rating=_rate(name, training),
        )
        for name, metrics in training.validation.items()
        if metrics.rows
    }
    return TrainingSummary(validation=validation, findings=training.findings)


def _rate(task: str, training: TrainingRecord) -> Rating:
    """What training's findings say of the task; "unknown" where they were not looked for, or are not records."""
    if task not in training.majority:
        return "unknown"
    problems = {finding.problem for finding in training.findings if finding.task in (task, None)}
    return next((rating for problem, rating in _RATINGS.items() if problem in problems), "better than the majority")


def _own_majority(metrics: TaskMetrics) -> dict[str, float]:
    """Of a checkpoint of format version 1: the most frequent label of the validation rows themselves."""
    return {} if metrics.majority_accuracy is None else {"accuracy": metrics.majority_accuracy}
