"""two bundles + labelled file -> what one of them loses compared with the other, task by task."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import DEFAULTS, precision_of
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core.work import planned_work, stage_work
from mtl_runtime.dataset.examples import read_labelled_file
from mtl_runtime.dataset.task_columns import check_task_columns
from mtl_runtime.errors import MtlError
from mtl_runtime.evidence.schema import TeacherComparison
from mtl_runtime.gate.agreement import TaskOutputs
from mtl_runtime.gate.teacher_comparison import compare_with_teacher
from mtl_runtime.loading.load import load
from mtl_runtime.wording import name_path

__all__ = ["BundleComparison", "compare_bundles"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleComparison:
    """One variant of a bundle, compared with cpu-fp32 of another one on the same sentences."""

    bundle: str
    variant: str
    against: str
    sentences: int
    tasks: Mapping[str, TeacherComparison]


def compare_bundles(
    path: str | os.PathLike[str],
    against: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    text: str | None = None,
    variant: str | None = None,
    threads: int | None = None,
    budget: float = 0.5,
) -> BundleComparison:
    """Compare the answers of two bundles, such as those of a student and of its teacher, with labels and each other.

    Args:
        path: folder of the bundle.
        against: folder of another bundle with the same tasks. Its cpu-fp32 answers: those are PyTorch's answers.
        data: as in :func:`mtl_runtime.evaluation.evaluate.evaluate`.
        text: column of the texts; default: as in training, if ``data`` has such a column, else "text".
        variant: of the bundle in ``path``; default: the one that ``load`` takes.
        threads: as in :func:`mtl_runtime.load`.
        budget: points of 100 that accuracy, macro-F1 or correlation of each task may drop.

    Raises:
        MtlError: the bundles have different tasks.
        TableError: ``data`` cannot be read, or has a bad row.
        BundleError, IntegrityError, UnknownVariantError, ProviderError: as :func:`mtl_runtime.load`.
    """
    bundle, other, file = Bundle.open(path), Bundle.open(against), Path(data)
    _require_same_tasks(bundle, other)
    column, columns = check_task_columns(bundle.manifest, file, text)
    examples = list(read_labelled_file(file, text=column, tasks=columns))
    answers = []
    for folder, chosen in ((against, DEFAULT_VARIANT), (path, variant)):
        classifier = load(folder, variant=chosen, threads=threads)
        work = {**planned_work(len(examples)), **stage_work(len(examples))}
        _log.info("%s of %s: answering %d sentences", classifier.info.variant, folder, len(examples), extra=work)
        logits = classifier.logits([example.text for example in examples])
        answers.append({task.name: TaskOutputs(task, logits[task.name]) for task in classifier.specs})
        used = classifier.info.variant
    return BundleComparison(
        bundle=str(bundle.path),
        variant=used,
        against=str(other.path),
        sentences=len(examples),
        tasks=compare_with_teacher(
            examples, *answers, budget=dict.fromkeys(answers[1], budget), tie=DEFAULTS[precision_of(used)].tie
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
