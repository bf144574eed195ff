"""teacher + sentences of a student's gate -> its answers to them, with its own temperatures and thresholds."""

import logging

from mtl_export.checkpoint import Checkpoint
from mtl_export.errors import CheckpointError
from mtl_export.gate.comparison_data import ComparisonData
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.work import stage_work
from mtl_runtime.gate.gate_variant import Reference
from mtl_runtime.inference.decode import check_finite

__all__ = ["ask_teacher", "require_same_tasks"]

_log = logging.getLogger(__name__)

# In sentences that the student's cpu-fp32 answers: a teacher is larger, and answers in PyTorch.
_TEACHER_WORK = 8.0


def require_same_tasks(student: Checkpoint, teacher: Checkpoint) -> None:
    """Refuse a teacher that answers other questions.

    Raises:
        CheckpointError: a task of the student is missing there, or has other labels or another kind.
    """
    known = {task.name: task for task in teacher.record.model.tasks}
    for task in student.record.model.tasks:
        if (problem := _difference(task, known.get(task.name))) is not None:
            raise CheckpointError(
                f"{student.path} cannot be compared with {teacher.path}: task {task.name} {problem}; "
                f"name the checkpoint that it was distilled from"
            )


def _difference(task: TaskSpec, other: TaskSpec | None) -> str | None:
    """What makes a task of the teacher another one, as the rest of a sentence; None: nothing."""
    if other is None:
        return "does not exist there"
    if task.kind != other.kind:
        return f"is {task.kind} here and {other.kind} there"
    if task.labels != other.labels:
        return "has other labels there"
    return "has another mean and scale there" if task.standardization != other.standardization else None


def ask_teacher(teacher: Checkpoint, data: ComparisonData) -> Reference:
    """The teacher's answers to the sentences that are compared, edge cases aside."""
    _log.info(
        "the teacher answers %d sentences",
        len(data.sentences.examples),
        extra=stage_work(_TEACHER_WORK * len(data.sentences.examples), unplanned=True),
    )
    outputs = data.answer(teacher.model.logits)
    logits = {task: rows[: len(data.sentences.examples)] for task, rows in outputs.compared.items()}
    for name, rows in logits.items():
        check_finite(rows, f"the teacher's logit of task {name!r}")
    fitted = data.calibrate(teacher.record.model.tasks, outputs)
    return Reference("the teacher", fitted.tasks, logits, fitted.judge_unseen(data.sentences.texts))
