"""bundle + labelled file -> Sentences: the texts that every way answers, and the labels they are judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.examples import LabelColumn, read_labelled_file
from mtl_runtime.errors import MtlError

__all__ = ["Labels", "Sentences", "accuracy", "agreement", "read_sentences"]

Labels = Mapping[str, Sequence[str | None]]  # by task, one for each sentence; None: unlabelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """Texts in the file's order."""

    texts: list[str]
    labels: Labels
    files: Mapping[str, FileSpec]
    digest: str  # of the bundle's manifest


def read_sentences(bundle: Bundle, data: Path, *, count: int | None = None) -> Sentences:
    """Read ``data``; the columns are ``text`` and the tasks' names.

    Args:
        bundle: with single_label tasks only.
        data: labelled sentences.
        count: how many to take, evenly spread; default: all.

    Raises:
        MtlError: a task is of another kind.
        TableError: the file cannot be read.
    """
    tasks = bundle.manifest.tasks
    if any(task.kind != "single_label" for task in tasks):
        raise MtlError("this measurement is made for single_label tasks")
    columns = {task.name: LabelColumn(column=task.name, kind=task.kind, labels=task.labels) for task in tasks}
    rows = list(read_labelled_file(data, text="text", tasks=columns))
    chosen = evenly_spaced(rows, count or len(rows))
    return Sentences(
        texts=[row.text for row in chosen],
        labels={name: [_name(row.labels.get(name)) for row in chosen] for name in columns},
        files={data.name: FileSpec.of_file(data)},
        digest=bundle.digest,
    )


def accuracy(answers: Labels, truth: Labels) -> dict[str, float]:
    """Share of labelled sentences with their own label, by task; a task without labels is absent."""
    found = {}
    for task, labels in truth.items():
        hits = [given == label for given, label in zip(answers[task], labels, strict=True) if label is not None]
        if hits:
            found[task] = float(np.mean(hits))
    return found


def agreement(answers: Labels, reference: Labels) -> dict[str, float]:
    """Share of sentences with the reference's label, by task."""
    return {
        task: float(np.mean([given == label for given, label in zip(answers[task], labels, strict=True)]))
        for task, labels in reference.items()
    }


def _name(label: object) -> str | None:
    return None if label is None else str(label)
