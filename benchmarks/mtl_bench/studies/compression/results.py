"""The results file of the study: what ``mtl compress`` found for each data set, and how that does on a test split."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_export.compression.points import StudentsRecord, TaskChange
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.evidence.schema import BudgetOutcome

__all__ = ["CompressionResults", "CompressionRun", "TestedVariant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedVariant:
    """One variant on a test split that neither training nor the search has seen."""

    model: str
    variant: str
    tasks: Mapping[str, TaskChange]  # compared with the teacher in PyTorch
    loss: float  # points of 100: the largest drop of accuracy, macro-F1 or correlation
    outcome: BudgetOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionRun:
    """One data set."""

    title: str
    measured_at: str
    machine: MachineFacts
    made_with: Mapping[str, str]
    encoder: str  # such as "bert, 6 layers of 384"
    training_rows: int
    test_sentences: int
    found: StudentsRecord  # on the validation split
    tested: tuple[TestedVariant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionResults:
    """Content of the results file."""

    runs: Mapping[str, CompressionRun] = field(default_factory=dict)  # by name
