"""logits -> predictions, in plain numpy."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.core import records
from mtl_runtime.errors import NonFiniteError
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = [
    "Answer",
    "MultiLabelAnswer",
    "Prediction",
    "RegressionAnswer",
    "SingleLabelAnswer",
    "assemble_predictions",
    "check_finite",
    "compute_probabilities",
    "decode",
]

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SingleLabelAnswer:
    """Exactly one label applies."""

    label: str
    probability: float  # of that label
    probabilities: Mapping[str, float]  # they sum to 1
    logits: tuple[float, ...]

    @property
    def value(self) -> str:
        """The answer as one cell of a file."""
        return self.label


@dataclass(frozen=True, slots=True)
class MultiLabelAnswer:
    """Any number of labels apply: those whose probability reaches the task's threshold."""

    labels: tuple[str, ...]
    probabilities: Mapping[str, float]  # each on its own, from 0 to 1
    logits: tuple[float, ...]

    @property
    def value(self) -> str:
        """The answer as one cell of a file: labels joined by ``|``."""
        return "|".join(self.labels)


@dataclass(frozen=True, slots=True)
class RegressionAnswer:
    """A number."""

    value: float  # in the unit of the training data
    logits: tuple[float, ...]  # the value before the task's standardization is undone


Answer = SingleLabelAnswer | MultiLabelAnswer | RegressionAnswer


@dataclass(frozen=True, slots=True)
class Prediction:
    """All answers about one text: ``prediction["sentiment"]`` is the answer of that task."""

    answers: Mapping[str, Answer]
    tokens: int  # that the encoder read, special ones included, and those that windows share each time
    truncated: bool  # the text was longer than the encoder reads, and its end was left out
    windows: int = 1  # that the encoder read the text in

    def __getitem__(self, task: str) -> Any:
        """The :data:`Answer` of ``task``, typed Any because its kind is known only at run time.

        Raises:
            KeyError: it was not asked; the message names the tasks that were.
        """
        if task not in self.answers:
            raise KeyError(f"no answer to {task!r}; there are: {', '.join(self.answers)}")
        return self.answers[task]

    def __iter__(self) -> Iterator[str]:
        return iter(self.answers)

    def __len__(self) -> int:
        return len(self.answers)

    def to_dict(self) -> dict[str, Any]:
        """For ``json.dumps``, as ``mtl predict --json`` prints it: ``answers`` by task, ``tokens``, ``truncated``."""
        content: dict[str, Any] = records.to_dict(self)
        return content


def decode(task: TaskSpec, logits: Logits) -> Sequence[Answer]:
    """Answers of one task for N texts.

    Args:
        task: labels, thresholds and temperature.
        logits: float32 (N, task.width).

    Raises:
        NonFiniteError: a row holds NaN or infinity; the error has its index.
    """
    rows: list[list[float]] = logits.tolist()
    for index, row in enumerate(rows):
        if not all(map(math.isfinite, row)):
            raise NonFiniteError(index, f"a logit of task {task.name!r}")
    return _DECODE[task.kind](task, logits, rows)


def assemble_predictions(
    tasks: Sequence[TaskSpec], logits: Sequence[Logits], texts: Sequence[TokenizedText]
) -> list[Prediction]:
    """Put the answers of several tasks together, one prediction for each of N texts.

    Args:
        tasks: the tasks answered; may be none.
        logits: those of each task, float32 (N, width).
        texts: the N texts as the encoder read them.

    Raises:
        NonFiniteError: as :func:`decode`.
    """
    names = [task.name for task in tasks]
    answers = [decode(task, rows) for task, rows in zip(tasks, logits, strict=True)]
    by_text = zip(*answers, strict=True) if answers else [()] * len(texts)
    return [
        Prediction(
            dict(zip(names, row, strict=True)),
            len(text) + sum(map(len, text.more_windows)),
            text.truncated,
            1 + len(text.more_windows),
        )
        for text, row in zip(texts, by_text, strict=True)
    ]


def compute_probabilities(task: TaskSpec, logits: Logits) -> NDArray[np.float64]:
    """Probabilities (N, width) after the task's temperature; of a regression, its numbers (N, 1) in their own unit."""
    return _SCORE[task.kind](task, logits.astype(np.float64))


def check_finite(rows: NDArray[np.float32], output: str) -> None:
    """Refuse NaN and infinity in ``rows`` (N, anything).

    Raises:
        NonFiniteError: with the index of the first row that has one.
    """
    finite = np.isfinite(rows)
    if not finite.all():
        raise NonFiniteError(int(np.argmin(finite.all(axis=1))), output)


def _softmax(task: TaskSpec, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    x = logits / task.temperature
    exponentials = np.exp(x - x.max(axis=1, keepdims=True, initial=-np.inf))
    result: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def _sigmoid(task: TaskSpec, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    x = logits / task.temperature
    # exp of a non-positive number cannot overflow
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def _number(task: TaskSpec, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    if task.standardization is None:
        return logits
    return logits * task.standardization.deviation + task.standardization.mean


def _single_label(task: TaskSpec, _logits: Logits, rows: Sequence[list[float]]) -> list[Answer]:
    """With plain floats: numpy takes ten times as long for the few numbers of a lone text, and no less for many."""
    answers: list[Answer] = []
    for row in rows:
        best = max(row)
        exponentials = [math.exp((value - best) / task.temperature) for value in row]
        total = sum(exponentials)
        named = {label: value / total for label, value in zip(task.labels, exponentials, strict=True)}
        label = task.labels[row.index(best)]
        answers.append(SingleLabelAnswer(label, named[label], named, tuple(row)))
    return answers


def _multi_label(task: TaskSpec, logits: Logits, rows: Sequence[list[float]]) -> list[Answer]:
    """With the very probabilities that thresholds were fitted and gated on: one may lie exactly on its threshold."""
    answers: list[Answer] = []
    for row, values in zip(compute_probabilities(task, logits).tolist(), rows, strict=True):
        named = dict(zip(task.labels, row, strict=True))
        labels = tuple(name for name, score, bar in zip(task.labels, row, task.thresholds, strict=True) if score >= bar)
        answers.append(MultiLabelAnswer(labels, named, tuple(values)))
    return answers


def _regression(task: TaskSpec, logits: Logits, rows: Sequence[list[float]]) -> list[Answer]:
    numbers = compute_probabilities(task, logits)[:, 0].tolist()
    return [RegressionAnswer(number, tuple(row)) for number, row in zip(numbers, rows, strict=True)]


_SCORE: Mapping[Kind, Callable[[TaskSpec, NDArray[np.float64]], NDArray[np.float64]]] = {
    "single_label": _softmax,
    "multi_label": _sigmoid,
    "regression": _number,
}
_DECODE: Mapping[Kind, Callable[[TaskSpec, Logits, Sequence[list[float]]], list[Answer]]] = {
    "single_label": _single_label,
    "multi_label": _multi_label,
    "regression": _regression,
}
