"""What an evaluation measured, as values that the command line prints and ``--json`` shows."""

from collections.abc import Mapping
from dataclasses import dataclass

from mtl_runtime.bundle.manifest import Kind

__all__ = [
    "ConfidentAnswers",
    "ConfusedLabels",
    "EvaluationReport",
    "LabelScores",
    "Score",
    "TaskEvaluation",
    "WrongAnswer",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric of a task, in the unit of TaskMetrics.values."""

    value: float
    low: float | None = None  # of the 95 % interval; None: these rows do not give one
    high: float | None = None
    majority: float  # of the best constant answer to these rows


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScores:
    """How well one label is found."""

    label: str
    rows: int  # that have it
    precision: float | None  # share of its answers that are right; None: it is never answered
    recall: float | None  # share of its rows that are answered so; None: no row has it


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedLabels:
    """A true label, a wrong answer, and the rows that have both."""

    truth: str
    answer: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentAnswers:
    """The answers from a probability on: how many they are, and how often they are right."""

    probability: float  # the least
    share: float  # of all answers
    accuracy: float
    accuracy_below: float | None  # of the other answers; None: there are none


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAnswer:
    """A row that was answered wrongly; of a regression, any row whose number differs."""

    task: str
    line: int  # of the file
    text: str
    truth: str
    answer: str
    # Of what is wrong: of the answer, or of a label that is given or missing in error; None: a regression.
    probability: float | None = None
    error: float | None = None  # of a regression: the answer less the truth


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvaluation:
    """One task on the rows that have a label of it."""

    kind: Kind
    rows: int
    scores: Mapping[str, Score]  # by metric
    labels: tuple[LabelScores, ...] = ()  # in the order of the logits; empty for a regression
    confusions: tuple[ConfusedLabels, ...] = ()  # single_label: the most frequent first
    confident: tuple[ConfidentAnswers, ...] = ()  # single_label: the largest share first
    wrong: tuple[WrongAnswer, ...] = ()  # those that the model was surest of first


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """A bundle's answers to a labelled file, compared with its labels."""

    bundle: str
    digest: str  # SHA-256 of the manifest
    file: str
    rows: int  # of the file, labelled or not
    variant: str  # that answered
    tasks: Mapping[str, TaskEvaluation]  # those that the file has a column of
