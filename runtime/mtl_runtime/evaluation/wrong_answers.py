"""examples + logits of a task -> its wrong answers, those that the model was surest of first."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.label_cells import label_names
from mtl_runtime.dataset.targets import Targets
from mtl_runtime.evaluation.evaluation_report import WrongAnswer
from mtl_runtime.inference.decode import compute_probabilities, decode

__all__ = ["wrong_answers"]


def wrong_answers(
    task: TaskSpec, examples: Sequence[Example], targets: Targets, logits: NDArray[np.float32]
) -> tuple[WrongAnswer, ...]:
    """List the wrong answers: these are where a wrong label, a rule that nobody wrote down, or a gap in the data shows.

    Args:
        task: labels, thresholds and temperature.
        examples: N rows, all with a label of the task.
        targets: of these rows, (N,) or (N, labels).
        logits: float32 (N, width).
    """
    answers = decode(task, logits)
    pairs = [
        (
            size,
            WrongAnswer(
                task=task.name,
                line=examples[row].line,
                text=examples[row].text,
                truth=_show(examples[row], task),
                answer=str(answers[row].value) if task.kind != "regression" else f"{answers[row].value:.6g}",
                probability=None if task.kind == "regression" else size,
                error=size if task.kind == "regression" else None,
            ),
        )
        for row, size in _WRONG[task.kind](task, targets, logits)
    ]
    return tuple(answer for _, answer in sorted(pairs, key=lambda pair: -abs(pair[0])))


def _show(example: Example, task: TaskSpec) -> str:
    label = example.labels[task.name]
    return "|".join(label_names(label)) if task.kind != "regression" else f"{label:.6g}"


def _wrong_label(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> Iterator[tuple[int, float]]:
    probabilities, predicted = compute_probabilities(task, logits), logits.argmax(axis=1)
    for row in np.flatnonzero(predicted != targets).tolist():
        yield row, float(probabilities[row, predicted[row]])


def _wrong_labels(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> Iterator[tuple[int, float]]:
    """Of each row with a wrong set of labels, the probability that the worst of its decisions had."""
    probabilities = compute_probabilities(task, logits)
    given = probabilities >= np.array(task.thresholds)
    wrong = given != (targets == 1)
    of_decision = np.where(wrong, np.where(given, probabilities, 1 - probabilities), 0.0)
    for row in np.flatnonzero(wrong.any(axis=1)).tolist():
        yield row, float(of_decision[row].max())


def _wrong_number(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> Iterator[tuple[int, float]]:
    errors = compute_probabilities(task, logits)[:, 0] - targets
    for row in np.flatnonzero(errors).tolist():
        yield row, float(errors[row])


# Index of each row that is wrong, and its probability or error.
_WRONG: Mapping[Kind, Callable[[TaskSpec, Targets, NDArray[np.float32]], Iterator[tuple[int, float]]]] = {
    "single_label": _wrong_label,
    "multi_label": _wrong_labels,
    "regression": _wrong_number,
}
