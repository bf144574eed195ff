"""two bundles + labelled file -> what one of them loses compared with the other, task by task."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import DEFAULTS, precision_of
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.errors import MtlError
from mtl_runtime.evaluation.answer_file import AnsweredFile, answer_examples
from mtl_runtime.evidence.schema import TeacherComparison
from mtl_runtime.gate.agreement import TaskOutputs
from mtl_runtime.gate.teacher_comparison import compare_with_teacher
from mtl_runtime.wording import name_path

__all__ = ["BundleComparison", "compare_bundles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleComparison:
    """One variant of a bundle, compared with cpu-fp32 of another one on the same sentences."""

    bundle: str
    variant: str
    against: str
    sentences: int
    tasks: Mapping[str, TeacherComparison]


def compare_bundles(
    answered: AnsweredFile,
    against: str | os.PathLike[str],
    *,
    threads: int | None = None,
    budget: float = 0.5,
) -> BundleComparison:
    """Compare the answers of two bundles, such as those of a student and of its teacher, with labels and each other.

    Args:
        answered: what one bundle answers, see :func:`mtl_runtime.evaluation.answer_file.answer_file`.
        against: folder of another bundle with the same tasks. Its cpu-fp32 answers: those are PyTorch's answers.
        threads: of that one, as in :func:`mtl_runtime.load`.
        budget: points of 100 that accuracy, macro-F1 or correlation of each task may drop.

    Raises:
        MtlError: the bundles have different tasks.
        BundleError, IntegrityError, ProviderError: as :func:`mtl_runtime.load`.
    """
    other = Bundle.open(against)
    _require_same_tasks(answered.bundle, other)
    _, tasks, logits = answer_examples(other, answered.examples, variant=DEFAULT_VARIANT, threads=threads)
    return BundleComparison(
        bundle=str(answered.bundle.path),
        variant=answered.variant,
        against=str(other.path),
        sentences=len(answered.examples),
        tasks=compare_with_teacher(
            answered.examples,
            {task.name: TaskOutputs(task, logits[task.name]) for task in tasks},
            {task.name: TaskOutputs(task, answered.logits[task.name]) for task in answered.tasks},
            budget={task.name: budget for task in answered.tasks},
            tie=DEFAULTS[precision_of(answered.variant)].tie,
        ),
    )


def _require_same_tasks(bundle: Bundle, other: Bundle) -> None:
    one, two = (
        {task.name: (task.kind, task.labels, task.standardization) for task in each.manifest.tasks}
        for each in (bundle, other)
    )
    if one != two:
        differing = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
        raise MtlError(
            f"{name_path(bundle.path)} cannot be compared with {name_path(other.path)}: "
            f"they differ in {', '.join(differing)}"
        )
