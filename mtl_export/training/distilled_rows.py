"""The rows of a distillation: texts with the labels that they have, if any, and a teacher's answers to all of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from mtl_export.config import TaskConfig
from mtl_export.model.distillation import TeacherAnswers
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example

__all__ = ["DistilledRows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilledRows:
    """What a student learns from."""

    rows: tuple[Example, ...]
    answers: TeacherAnswers  # to these rows
    specs: tuple[TaskSpec, ...]  # all tasks of the teacher, also those that no row has a label of
    tasks: Mapping[str, TaskConfig]  # of ``specs``
