"""Checks of what a system's process replies: a system may be anybody's code, and reply anything."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from mtl_bench.processes.worker_process import WorkerError
from mtl_bench.results.scenarios import BatchUnit
from mtl_bench.worker.system import Labels
from mtl_runtime.bundle.manifest import TaskSpec

__all__ = ["check_facts", "check_labels"]


def check_facts(facts: Mapping[str, Any]) -> None:
    """Check the facts of a worker that :func:`mtl_bench.worker.scenarios.prepare` made.

    Raises:
        WorkerError: sizes, unit or facts are not what :class:`mtl_bench.worker.system.SystemDriver` asks for.
    """
    sizes, usual = facts["sizes"], facts["usual"]
    if not sizes or not all(_is_size(size) for size in sizes) or not (usual is None or _is_size(usual)):
        raise WorkerError(f"its sizes of batches are {sizes!r} and usually {usual!r}; they must be counts from 1 on")
    if facts["unit"] not in get_args(BatchUnit):
        known = ", ".join(get_args(BatchUnit))
        raise WorkerError(f"its batches are bounded by {facts['unit']!r}, which is none of {known}")
    if wrong := [name for name, value in facts["facts"].items() if not isinstance(value, str)]:
        raise WorkerError(f"its facts {', '.join(wrong)} are no strings")


def check_labels(labels: Labels, tasks: Sequence[TaskSpec], texts: int) -> None:
    """Check the answers of a system.

    Args:
        labels: of the system.
        tasks: that it had to answer.
        texts: number of texts that it had to answer.

    Raises:
        WorkerError: a task or an answer is missing, or is of the wrong kind.
    """
    for task in tasks:
        answers = labels.get(task.name)
        if answers is None or len(answers) != texts:
            raise WorkerError(f"it gave {len(answers or ())} answers for {task.name!r}, to {texts} texts")
        fits = _is_value if task.kind == "regression" else _is_label
        if wrong := [answer for answer in answers if not fits(answer)]:
            raise WorkerError(f"it answered {wrong[0]!r} for {task.name!r}, a {task.kind} task")


def _is_size(size: Any) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and size >= 1


def _is_label(answer: Any) -> bool:
    return isinstance(answer, str) or (isinstance(answer, list) and all(isinstance(name, str) for name in answer))


def _is_value(answer: Any) -> bool:
    return isinstance(answer, int | float) and not isinstance(answer, bool) and math.isfinite(answer)
