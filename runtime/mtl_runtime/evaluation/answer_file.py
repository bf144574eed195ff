"""bundle + labelled file -> the answers of one variant to its sentences, next to the labels that they have."""

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.work import planned_work, stage_work
from mtl_runtime.dataset.examples import Example, read_labelled_file
from mtl_runtime.dataset.task_columns import check_task_columns
from mtl_runtime.errors import TableError
from mtl_runtime.loading.load import load

__all__ = ["AnsweredFile", "answer_examples", "answer_file"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredFile:
    """N sentences of a file, and one variant's answers to them."""

    bundle: Bundle
    file: Path
    columns: Collection[str]  # tasks that the file has a column of
    examples: Sequence[Example]
    variant: str
    tasks: tuple[TaskSpec, ...]  # of the bundle
    logits: Mapping[str, NDArray[np.float32]]  # (N, width) by task


def answer_file(
    path: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    text: str | None = None,
    variant: str | None = None,
    threads: int | None = None,
) -> AnsweredFile:
    """Let a bundle answer the sentences of a file; arguments and errors as :func:`mtl_runtime.evaluation.evaluate`."""
    bundle, file = Bundle.open(path), Path(data)
    column, columns = check_task_columns(bundle.manifest, file, text)
    examples = list(read_labelled_file(file, text=column, tasks=columns))
    if not any(example.labels for example in examples):
        raise TableError(file, f"no row has a label of {', '.join(columns)}: there is nothing to compare answers with")
    used, tasks, logits = answer_examples(bundle, examples, variant=variant, threads=threads)
    return AnsweredFile(
        bundle=bundle, file=file, columns=columns, examples=examples, variant=used, tasks=tasks, logits=logits
    )


def answer_examples(
    bundle: Bundle, examples: Sequence[Example], *, variant: str | None, threads: int | None
) -> tuple[str, tuple[TaskSpec, ...], dict[str, NDArray[np.float32]]]:
    """The variant that answers N sentences, its tasks, and its logits (N, width) by task."""
    classifier = load(bundle.path, variant=variant, threads=threads)
    used, count = classifier.info.variant, len(examples)
    _log.info("%s: answering %d sentences", used, count, extra={**planned_work(count), **stage_work(count)})
    return used, tuple(classifier.specs), classifier.logits([example.text for example in examples])
