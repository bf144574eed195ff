"""what a system's process told -> the same, checked; a system may be anybody's code, and tell anything."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from mtl_bench.processes.worker_process import WorkerError
from mtl_bench.results.schema import Unit
from mtl_bench.worker.system import Labels
from mtl_runtime.bundle.manifest import TaskSpec

__all__ = ["check_facts", "check_labels"]


def check_facts(facts: Mapping[str, Any]) -> None:
    """Check what :func:`mtl_bench.worker.scenarios.prepare` tells of a system.

    Raises:
        ChildError: sizes, unit or facts are not what :class:`mtl_bench.worker.system.System` asks for.
    """
    sizes, usual = facts["sizes"], facts["usual"]
    if not sizes or not all(_is_size(size) for size in sizes) or not (usual is None or _is_size(usual)):
        raise WorkerError(f"its sizes of batches are {sizes!r} and usually {usual!r}; they are to be counts from 1 on")
    if facts["unit"] not in get_args(Unit):
        raise WorkerError(f"its batches are bounded by {facts['unit']!r}, which is none of {', '.join(get_args(Unit))}")
    if wrong := [name for name, value in facts["facts"].items() if not isinstance(value, str)]:
        raise WorkerError(f"its facts {', '.join(wrong)} are no strings")


def check_labels(given: Labels, tasks: Sequence[TaskSpec], texts: int) -> None:
    """Check the answers of a system.

    Args:
        given: by the system.
        tasks: that it was to answer.
        texts: that it was given.

    Raises:
        ChildError: a task or an answer is missing, or is of the wrong kind.
    """
    for task in tasks:
        answers = given.get(task.name)
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
