"""bundle, file or length profile -> Workload: the texts that are timed, and those whose answers are scored."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mtl_bench.results.schema import WorkloadFacts
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.examples import find_columns, read_labelled_file, warn_of_twin_columns
from mtl_runtime.dataset.label_cells import Label, LabelColumn
from mtl_runtime.loading.load import open_tokenizer

__all__ = ["TrueLabels", "Workload", "golden_workload", "read_workload"]

TrueLabels = Mapping[str, Sequence[Label | None]]  # by task, one for each scored text; None: unlabelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The texts for every system."""

    name: str
    timed: Sequence[str]
    scored: Sequence[str]
    true_labels: TrueLabels = field(default_factory=dict)  # of tasks with labels
    files: Mapping[str, FileSpec] = field(default_factory=dict)

    def facts(self, bundle: Bundle) -> WorkloadFacts:
        """Its entry in the results file; the lengths are those of the bundle's tokenizer."""
        lengths = [len(text) for text in open_tokenizer(bundle).encode(self.timed)]
        quantiles = np.percentile(lengths, (0, 10, 50, 90, 100), method="nearest")
        lines = "".join(json.dumps(text) + "\n" for text in self.timed)
        return WorkloadFacts(
            name=self.name,
            texts=len(self.timed),
            scored=len(self.scored),
            labelled={task: sum(label is not None for label in labels) for task, labels in self.true_labels.items()},
            tokens=sum(lengths),
            token_quantiles=tuple(int(length) for length in quantiles),
            sha256=hashlib.sha256(lines.encode()).hexdigest(),
            files=self.files,
        )


def golden_workload(bundle: Bundle, *, timed_texts: int) -> Workload:
    """The golden texts of the bundle, without labels; a text that occurs twice is taken once."""
    golden = parse_golden(bundle.read(GOLDEN_NAME))
    texts = list(dict.fromkeys(text.text for text in golden if text.text.strip()))
    return Workload(name="golden texts", timed=evenly_spaced(texts, timed_texts), scored=texts)


def read_workload(
    bundle: Bundle, data: Path, *, column: str | None, timed_texts: int, scored_texts: int | None = None
) -> Workload:
    """Read texts from a file, with the labels in the columns that have the tasks' names.

    A text that occurs twice is timed once, since the runtime would compute it once.

    Args:
        bundle: with the tasks.
        data: csv, tsv, jsonl or parquet.
        column: with the texts; None: as in training, if the file has such a column, else "text".
        timed_texts: number of texts to time, evenly spread over the file.
        scored_texts: number of texts whose answers are scored, likewise; None: all.

    Raises:
        TableError: the file cannot be read, or a label is none of the task's.
    """
    text, present = find_columns(data, trained=bundle.manifest.text_columns, asked=column)
    columns = {task.name: LabelColumn.of(task) for task in bundle.manifest.tasks if task.name in present}
    warn_of_twin_columns(data, [task.name for task in bundle.manifest.tasks], present)
    rows = read_labelled_file(data, text=text, tasks=columns)
    rows = evenly_spaced(rows, scored_texts or len(rows))
    texts = [row.text for row in rows]
    return Workload(
        name=data.name,
        timed=evenly_spaced(list(dict.fromkeys(texts)), timed_texts),
        scored=texts,
        true_labels={task: [row.labels.get(task) for row in rows] for task in columns},
        files={data.name: FileSpec.of_file(data)},
    )
