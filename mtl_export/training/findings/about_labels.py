"""training data -> findings about what is written in the cells of labels: twins, missing values, joined labels."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mtl_export.training.training_data import TrainingData
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.bundle.training_summary import Finding
from mtl_runtime.dataset.label_cells import label_names, looks_missing
from mtl_runtime.dataset.label_twins import group_twins
from mtl_runtime.report.number_format import plural
from mtl_runtime.wording import enumerate_names

__all__ = ["joined_labels", "missing_values", "twin_labels"]

# Marks that people join labels by. Only "|" joins them here, and in a single_label task nothing does.
_JOINING = {"multi_label": (",", ";"), "single_label": ("|",)}
_NAMED = 5  # groups of twins


class _Occurrence(NamedTuple):
    """Training rows with a label, and where the first is."""

    rows: int
    place: str


_Occurrences = Mapping[str, _Occurrence]  # by label


def twin_labels(data: TrainingData) -> Iterator[Finding]:
    """Labels that a reader takes for one: they differ in case, in what nobody sees, or are equal numbers."""
    for spec, occurrences in _unnamed_labels(data):
        groups = [_describe_twins(twins, occurrences) for twins in group_twins(occurrences)]
        if groups:
            rest = [f"and {plural(len(groups) - _NAMED, 'further group')}"] if len(groups) > _NAMED else []
            named = "; ".join([*groups[:_NAMED], *rest])
            text = (
                f"task {spec.name}: labels that look the same to a reader are different classes: {named}; "
                f"fold_labels = true in [tasks.{spec.name}] makes each group one"
            )
            yield Finding(problem="twin_labels", task=spec.name, text=text)


def missing_values(data: TrainingData) -> Iterator[Finding]:
    """Labels such as N/A that often stand for no label."""
    for spec, occurrences in _unnamed_labels(data):
        labels = [label for label in occurrences if looks_missing(label)]
        if labels:
            described = [_describe(label, occurrences) for label in labels]
            count, them = ("counts as a class", "it") if len(labels) == 1 else ("count as classes", "each")
            written = ", ".join(f'"{label}"' for label in labels)
            text = (
                f"task {spec.name}: {enumerate_names(described)} {count}; if {them} stands for no label, write "
                f"missing = [{written}] in [tasks.{spec.name}], else name {them} in labels"
            )
            yield Finding(problem="missing_values", task=spec.name, text=text)


def joined_labels(data: TrainingData) -> Iterator[Finding]:
    """Labels that look like several, joined by a mark that joins none, such as "film, food"."""
    for spec, occurrences in _unnamed_labels(data):
        if any(len(label_names(row.labels.get(spec.name, ()))) > 1 for row in data.train.rows):
            continue
        for mark in _JOINING[spec.kind]:
            joined = [label for label in occurrences if sum(map(bool, map(str.strip, label.split(mark)))) > 1]
            if joined:
                yield _joined(spec, joined, mark, occurrences)
                break


def _joined(spec: TaskSpec, joined: Sequence[str], mark: str, occurrences: _Occurrences) -> Finding:
    mend = (
        f"join them by '|', as in {'|'.join(part.strip() for part in joined[0].split(mark))}"
        if spec.kind == "multi_label"
        else f'kind = "multi_label" in [tasks.{spec.name}] reads them'
    )
    text = (
        f"task {spec.name}: {plural(len(joined), 'label')} may be several each, joined by {mark!r}, such as "
        f"{_describe(joined[0], occurrences)}; if so, {mend}"
    )
    return Finding(problem="joined_labels", task=spec.name, text=text)


def _unnamed_labels(data: TrainingData) -> Iterator[tuple[TaskSpec, _Occurrences]]:
    """Each task whose labels are those of the data; where the config names them, they are meant as they are."""
    for spec in data.specs:
        if spec.kind != "regression" and not data.tasks[spec.name].labels:
            yield spec, _find_occurrences(data, spec)


def _find_occurrences(data: TrainingData, spec: TaskSpec) -> _Occurrences:
    counts: Counter[str] = Counter()
    places: dict[str, str] = {}
    for row in data.train.rows:
        for label in label_names(row.labels.get(spec.name, ())):
            counts[label] += 1
            places.setdefault(label, f"{Path(row.path).name}, line {row.line}")
    return {label: _Occurrence(counts[label], place) for label, place in places.items()}


def _describe_twins(twins: Sequence[str], occurrences: _Occurrences) -> str:
    """Each twin with its rows, with escapes where more than case tells them apart: they may look the same."""
    spell = ascii if len({label.casefold() for label in twins}) > 1 else repr
    most_frequent_first = sorted(twins, key=lambda label: -occurrences[label].rows)
    return " and ".join(_describe(label, occurrences, spell) for label in most_frequent_first)


def _describe(label: str, occurrences: _Occurrences, spell: Callable[[str], str] = repr) -> str:
    return f"{spell(label)} ({plural(occurrences[label].rows, 'row')}, first {occurrences[label].place})"
