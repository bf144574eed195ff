"""answer of a task -> a score for each label, as protocols write it that know only labels and scores."""

import msgspec

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.inference.decode import Answer, RegressionAnswer

__all__ = ["LabelScore", "score_labels"]


class LabelScore(msgspec.Struct):
    """One label."""

    label: str
    score: float


def score_labels(task: TaskSpec, answer: Answer, *, raw: bool = False) -> list[LabelScore]:
    """Scores in the order of the task's labels.

    A regression has one: its label is the task's name, and its score the number.

    Args:
        task: that was answered.
        answer: its answer.
        raw: give logits instead of calibrated probabilities; of a regression, the number before its standardization is
            undone.
    """
    if isinstance(answer, RegressionAnswer):
        return [LabelScore(task.name, answer.logits[0] if raw else answer.value)]
    scores = answer.logits if raw else answer.probabilities.values()
    return [LabelScore(label, score) for label, score in zip(task.labels, scores, strict=True)]
