"""bundle + labelled file -> LabelledSentences: the texts that every system answers, and their true labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.examples import read_labelled_file
from mtl_runtime.dataset.label_cells import LabelColumn
from mtl_runtime.errors import MtlError

__all__ = ["LabelledSentences", "TaskLabels", "label_accuracy", "label_agreement", "read_sentences"]

TaskLabels = Mapping[str, Sequence[str | None]]  # by task, one for each sentence; None: unlabelled


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSentences:
    """Texts in the file's order."""

    texts: list[str]
    labels: TaskLabels
    files: Mapping[str, FileSpec]
    digest: str  # of the bundle's manifest


def read_sentences(bundle: Bundle, data: Path, *, count: int | None = None) -> LabelledSentences:
    """Read ``data``; the columns are ``text`` and the tasks' names.

    Args:
        bundle: with single_label tasks only.
        data: labelled sentences.
        count: number of sentences, evenly spread; default: all.

    Raises:
        MtlError: a task is of another kind.
        TableError: the file cannot be read.
    """
    tasks = bundle.manifest.tasks
    if any(task.kind != "single_label" for task in tasks):
        raise MtlError("this measurement is made for single_label tasks")
    columns = {task.name: LabelColumn.of(task) for task in tasks}
    rows = read_labelled_file(data, text="text", tasks=columns)
    rows = evenly_spaced(rows, count or len(rows))
    return LabelledSentences(
        texts=[row.text for row in rows],
        labels={name: [_label_name(row.labels.get(name)) for row in rows] for name in columns},
        files={data.name: FileSpec.of_file(data)},
        digest=bundle.digest,
    )


def label_accuracy(answers: TaskLabels, truth: TaskLabels) -> dict[str, float]:
    """Share of labelled sentences that got their own label, by task; a task without labels is absent."""
    shares = {}
    for task, labels in truth.items():
        hits = [answer == label for answer, label in zip(answers[task], labels, strict=True) if label is not None]
        if hits:
            shares[task] = float(np.mean(hits))
    return shares


def label_agreement(answers: TaskLabels, reference: TaskLabels) -> dict[str, float]:
    """Share of sentences with the reference's label, by task."""
    return {
        task: float(np.mean([answer == label for answer, label in zip(answers[task], labels, strict=True)]))
        for task, labels in reference.items()
    }


def _label_name(label: object) -> str | None:
    return None if label is None else str(label)
