"""examples -> the same examples, in which twins of a label are that label (see mtl_runtime.dataset.label_twins)."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from mtl_export.config import TaskConfig
from mtl_export.data.examples import Examples
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.label_cells import Label, label_names
from mtl_runtime.dataset.label_twins import fold_label, group_twins
from mtl_runtime.report.number_format import plural

__all__ = ["Spellings", "choose_spellings", "respell"]

_log = logging.getLogger(__name__)

Spellings = Mapping[str, Mapping[str, str]]  # task -> folded label -> the spelling that it gets


def choose_spellings(rows: Iterable[Example], tasks: Mapping[str, TaskConfig]) -> Spellings:
    """Choose the spelling of each group of twins that most training rows have; of equal ones the first by code point.

    Only tasks with ``fold_labels`` are looked at, and of these only those whose labels are not known beforehand: others
    were folded when their cells were read.

    Args:
        rows: of training.
        tasks: of the config.
    """
    counts = {name: Counter[str]() for name, task in tasks.items() if task.fold_labels and not task.labels}
    for row in rows:
        for name, count in counts.items():
            count.update(label_names(row.labels.get(name, ())))
    return {name: _spellings(name, count) for name, count in counts.items()}


def respell(examples: Examples, spellings: Spellings) -> Examples:
    """Spell each label of the tasks in ``spellings`` as chosen; a label that is no twin of any of these stays."""
    if not spellings:
        return examples
    return replace(examples, rows=tuple(_respell_row(row, spellings) for row in examples.rows))


def _spellings(task: str, counts: Counter[str]) -> dict[str, str]:
    spellings = {fold_label(label): label for label in counts}
    for twins in group_twins(sorted(counts)):
        winner = max(twins, key=lambda label: counts[label])  # the first of equal ones
        spellings[fold_label(winner)] = winner
        others = ", ".join(f"{label!a} ({plural(counts[label], 'row')})" for label in twins if label != winner)
        _log.info("task %s: %s read as %a", task, others, winner)
    return spellings


def _respell_row(row: Example, spellings: Spellings) -> Example:
    return replace(row, labels={name: _respell(label, spellings.get(name, {})) for name, label in row.labels.items()})


def _respell(label: Label, spellings: Mapping[str, str]) -> Label:
    if isinstance(label, str):
        return spellings.get(fold_label(label), label)
    if isinstance(label, tuple):
        return tuple(dict.fromkeys(spellings.get(fold_label(name), name) for name in label))
    return label
