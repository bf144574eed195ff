"""training data, then metrics + history -> findings, the most serious first."""

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from mtl_export.checkpoint import Evaluation
from mtl_export.training.findings.about_data import (
    blank_texts,
    contradictions,
    garbled_texts,
    implausible_columns,
    rare_labels,
    texts_in_both_splits,
)
from mtl_export.training.findings.about_labels import joined_labels, missing_values, twin_labels
from mtl_export.training.findings.about_model import (
    no_better_than_constant,
    still_rising,
    too_few_rows_to_tell,
    unpredicted_labels,
    worse_than_probe,
)
from mtl_export.training.training_data import TrainingData
from mtl_runtime.bundle.training_summary import Finding, Problem
from mtl_runtime.dataset.metrics import TaskMetrics

__all__ = ["find_data_problems", "find_model_problems", "most_serious_first"]

_BY_SEVERITY = get_args(Problem)


def find_data_problems(data: TrainingData) -> tuple[Finding, ...]:
    """Find, with the numbers, what a user should know before training starts."""
    return most_serious_first(
        [
            *implausible_columns(data),
            *twin_labels(data),
            *joined_labels(data),
            *missing_values(data),
            *texts_in_both_splits(data),
            *contradictions(data),
            *garbled_texts(data),
            *blank_texts(data),
            *rare_labels(data),
        ]
    )


def find_model_problems(
    data: TrainingData,
    *,
    model: Mapping[str, TaskMetrics],
    majority: Mapping[str, TaskMetrics],
    probe: Mapping[str, TaskMetrics],
    history: Sequence[Evaluation],
) -> tuple[Finding, ...]:
    """Find, with the numbers, what a user should know before trusting the model.

    Args:
        data: both splits.
        model: metrics of the saved weights on the validation split, by task.
        majority: of the best constant answer, see :func:`mtl_export.training.majority.measure_majority`.
        probe: of linear heads on the frozen encoder; empty: none was trained.
        history: the evaluations of the run, the first first; empty: not recorded.
    """
    return most_serious_first(
        [
            *no_better_than_constant(data.specs, data.tasks, model, majority),
            *worse_than_probe(data.specs, model, probe),
            *unpredicted_labels(data.specs, model),
            *too_few_rows_to_tell(data.specs, model),
            *still_rising(data.specs, history),
        ]
    )


def most_serious_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by problem, in the order in which ``Problem`` names them; equal ones keep their order."""
    return tuple(sorted(findings, key=lambda finding: _BY_SEVERITY.index(finding.problem)))
