"""log of the Trainer -> the evaluations of a run: losses and metrics on the validation split, step by step."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mtl_export.checkpoint import Evaluation

__all__ = ["LOSS", "SCORE", "SELECTION", "read_history"]

SCORE = "score"  # mean headline metric over the tasks
# What the Trainer selects by, since it keeps the weights with the highest: the step where the weights are the best so
# far (see mtl_export.training.loop.selection), -1 elsewhere.
SELECTION = "selection"
LOSS = "loss"  # of a task: sentiment.loss
_PREFIX = "eval_"  # the Trainer's


def read_history(log: Sequence[Mapping[str, Any]]) -> tuple[Evaluation, ...]:
    """The evaluations in ``state.log_history``, which also holds those before a run was resumed."""
    history: list[Evaluation] = []
    losses: list[tuple[int, float]] = []  # (step, mean loss since the entry before)
    for entry in log:
        if "loss" in entry:
            losses.append((int(entry["step"]), float(entry["loss"])))
        elif f"{_PREFIX}{SCORE}" in entry:
            history.append(_evaluation(entry, losses, since=history[-1].step if history else 0))
    return tuple(history)


def _evaluation(entry: Mapping[str, Any], losses: Sequence[tuple[int, float]], *, since: int) -> Evaluation:
    by_task: dict[str, dict[str, float]] = {}
    for task, metric, value in _task_values(entry):
        by_task.setdefault(task, {})[metric] = value
    return Evaluation(
        step=int(entry["step"]),
        epoch=float(entry["epoch"]),
        training_loss=_mean_loss(losses, since),
        validation_loss={task: values[LOSS] for task, values in by_task.items() if LOSS in values},
        metrics={
            task: {name: value for name, value in values.items() if name != LOSS} for task, values in by_task.items()
        },
    )


def _task_values(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    for key, value in entry.items():
        task, dot, metric = key.removeprefix(_PREFIX).partition(".")
        if key.startswith(_PREFIX) and dot:
            yield task, metric, float(value)


def _mean_loss(losses: Sequence[tuple[int, float]], since: int) -> float | None:
    """Mean over the steps after ``since``; None: no step was logged."""
    total, steps, before = 0.0, 0, since
    for step, loss in losses:
        if step > since:
            total, steps, before = total + loss * (step - before), steps + step - before, step
    return total / steps if steps else None
