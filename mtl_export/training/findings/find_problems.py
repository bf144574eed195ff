"""training data + metrics + history -> all findings, the most serious first."""

from collections.abc import Mapping, Sequence

from mtl_export.checkpoint import Evaluation
from mtl_export.training.findings.about_data import (
    contradictions,
    implausible_columns,
    rare_labels,
    texts_in_both_splits,
)
from mtl_export.training.findings.about_model import (
    no_better_than_constant,
    still_rising,
    too_few_rows_to_tell,
    unpredicted_labels,
    worse_than_probe,
)
from mtl_export.training.training_data import TrainingData
from mtl_runtime.dataset.metrics import TaskMetrics

__all__ = ["find_problems"]


def find_problems(
    data: TrainingData,
    *,
    model: Mapping[str, TaskMetrics],
    majority: Mapping[str, TaskMetrics],
    probe: Mapping[str, TaskMetrics],
    history: Sequence[Evaluation],
) -> tuple[str, ...]:
    """Say in sentences, with the numbers, what a user should know before trusting the model.

    Args:
        data: both splits.
        model: metrics of the saved weights on the validation split, by task.
        majority: of the best constant answer, see :func:`mtl_export.training.majority.majority_metrics`.
        probe: of linear heads on the frozen encoder; empty: none was trained.
        history: the evaluations of the run, the first first; empty: not recorded.
    """
    return (
        *no_better_than_constant(data.specs, data.tasks, model, majority),
        *implausible_columns(data),
        *texts_in_both_splits(data),
        *worse_than_probe(data.specs, model, probe),
        *unpredicted_labels(data.specs, model),
        *contradictions(data),
        *too_few_rows_to_tell(data.specs, model),
        *rare_labels(data),
        *still_rising(data.specs, history),
    )
