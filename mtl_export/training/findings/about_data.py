"""training data -> findings about rows, texts and labels that make a model worse or its figures meaningless."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mtl_export.data.label_counts import count_labels
from mtl_export.training.training_data import TrainingData
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.bundle.training_summary import Finding
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.label_cells import label_names
from mtl_runtime.report.number_format import plural
from mtl_runtime.text.invisible import is_blank
from mtl_runtime.wording import enumerate_names, shorten

__all__ = [
    "blank_texts",
    "contradictions",
    "garbled_texts",
    "implausible_columns",
    "rare_labels",
    "texts_in_both_splits",
]

# A share of the rows below which equal texts move no figure.
_NOTABLE = 0.01
# Columns are judged by their share of different values, from this many rows or labels on.
_LEAST_ROWS, _LEAST_LABELS = 50, 20
_SHOWN_CHARACTERS = 60
_MOST_LABELS_A_ROW, _LEAST_TEXTS_A_ROW = 0.5, 0.1


def implausible_columns(data: TrainingData) -> Iterator[Finding]:
    """A column of labels that looks like free text, and a column of texts that looks like labels."""
    counts = count_labels(data.train.rows, data.specs)
    for spec in data.specs:
        rows, labels = counts.labelled[spec.name], sum(map(bool, counts.by_label[spec.name].values()))
        if labels >= _LEAST_LABELS and labels > _MOST_LABELS_A_ROW * rows:
            column = data.tasks[spec.name].column or spec.name
            text = (
                f"task {spec.name} has {labels:,} labels in {plural(rows, 'training row')}: column {column!r} looks "
                f"like free text or numbers, not like labels"
            )
            yield Finding(problem="implausible_column", task=spec.name, text=text)
    rows, texts = len(data.train.rows), len({row.text for row in data.train.rows})
    if rows >= _LEAST_ROWS and texts < _LEAST_TEXTS_A_ROW * rows:
        text = (
            f"{rows:,} training rows have only {plural(texts, 'different text')}: the column of texts looks like a "
            f"column of labels"
        )
        yield Finding(problem="implausible_column", text=text)


def texts_in_both_splits(data: TrainingData) -> Iterator[Finding]:
    """Validation texts that are training texts, and how many of them have another label there."""
    trained = defaultdict(list)
    for row in data.train.rows:
        trained[row.text].append(row)
    shared = [row for row in data.validation.rows if row.text in trained]
    total = len(data.validation.rows)
    if not shared or len(shared) < _NOTABLE * total:
        return
    others = sum(any(_has_another_label(row, trained[row.text], spec) for spec in data.specs) for row in shared)
    with_others = f", {others:,} of them with another label" if others else ""
    text = (
        f"{len(shared):,} of {total:,} validation texts are training texts too{with_others}: the figures show what the "
        f"model remembers, not how it answers new texts"
    )
    yield Finding(problem="texts_in_both_splits", text=text)


def blank_texts(data: TrainingData) -> Iterator[Finding]:
    """Training texts in which nobody sees anything: a model learns what to answer to them."""
    blank = [row for row in data.train.rows if is_blank(row.text)]
    if blank:
        have = "have" if len(blank) > 1 else "has"
        first = f"{Path(blank[0].path).name}, line {blank[0].line}"
        text = (
            f"{plural(len(blank), 'training row')} {have} an empty or blank text, the first in {first}: the model "
            f"learns their labels as the answer to no text at all; delete them if they are mistakes"
        )
        yield Finding(problem="blank_texts", text=text)


def garbled_texts(data: TrainingData) -> Iterator[Finding]:
    """Training texts that an earlier tool decoded wrongly: a new text has other characters in these places."""
    garbled = [row for row in data.train.rows if _is_garbled(row.text)]
    if garbled and len(garbled) >= _NOTABLE * len(data.train.rows):
        first = f"{Path(garbled[0].path).name}, line {garbled[0].line}: {shorten(garbled[0].text, _SHOWN_CHARACTERS)!r}"
        text = (
            f"{len(garbled):,} of {plural(len(data.train.rows), 'training row')} have a text that was decoded wrongly "
            f"before it was written into the file ({first}): new texts will not look so; make the file from its source "
            f"again"
        )
        yield Finding(problem="garbled_texts", text=text)


def _is_garbled(text: str) -> bool:
    """Whether characters were replaced, or UTF-8 was read as Windows-1252 or Latin-1, as in "cafÃ©"."""
    if text.isascii():
        return False
    return "\ufffd" in text or any(_is_utf8_read_as(encoding, text) for encoding in ("cp1252", "latin-1"))


def _is_utf8_read_as(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding).decode("utf-8")
    except UnicodeError:
        return False
    return True


def contradictions(data: TrainingData) -> Iterator[Finding]:
    """Equal training texts with different labels of a task; numbers may differ."""
    for spec in data.specs:
        if spec.kind == "regression":
            continue
        rows_of_text = defaultdict(list)
        for row in data.train.rows:
            if spec.name in row.labels:
                rows_of_text[row.text].append(row)
        total = sum(map(len, rows_of_text.values()))
        apart = [rows for rows in rows_of_text.values() if len({_label_set(row, spec) for row in rows}) > 1]
        rows = sum(map(len, apart))
        if apart and rows >= _NOTABLE * total:
            text = (
                f"task {spec.name}: {rows:,} of {plural(total, 'training row')} have a text that another row labels "
                f"differently, such as {_contradiction(apart[0], spec)}"
            )
            yield Finding(problem="contradictions", task=spec.name, text=text)


def rare_labels(data: TrainingData) -> Iterator[Finding]:
    """Labels that training or validation lacks, or that a single training row has."""
    train, validation = (count_labels(split.rows, data.specs).by_label for split in (data.train, data.validation))
    for spec in data.specs:
        counts = train[spec.name]
        absent, single = ([label for label in spec.labels if counts[label] == number] for number in (0, 1))
        unmeasured = [label for label in spec.labels if counts[label] > 1 and not validation[spec.name][label]]
        cases = (
            (absent, "no training row, so that nothing can be learnt about it"),
            (single, "a single training row, too few to learn from"),
            (unmeasured, "no validation row, so that nothing checks its answers"),
        )
        for labels, consequence in cases:
            if labels:
                text = f"task {spec.name}: {_have(labels)} {consequence}"
                yield Finding(problem="rare_labels", task=spec.name, text=text)


def _have(labels: list[str]) -> str:
    """Subject and verb of a sentence about these labels."""
    if len(labels) == 1:
        return f"label {labels[0]} has"
    return f"each of {len(labels):,} labels ({enumerate_names(labels)}) has"


def _label_set(row: Example, spec: TaskSpec) -> frozenset[str]:
    return frozenset(label_names(row.labels[spec.name]))


def _has_another_label(row: Example, trained: list[Example], spec: TaskSpec) -> bool:
    """Whether training labels the text of ``row``, and never as it does; numbers are not compared."""
    if spec.kind == "regression" or spec.name not in row.labels:
        return False
    known = {_label_set(other, spec) for other in trained if spec.name in other.labels}
    return bool(known) and _label_set(row, spec) not in known


def _contradiction(rows: list[Example], spec: TaskSpec) -> str:
    """The places of the first two rows that differ, with their labels."""
    first = rows[0]
    other = next(row for row in rows if _label_set(row, spec) != _label_set(first, spec))
    return f"{_place(first, spec)} and {_place(other, spec)}"


def _place(row: Example, spec: TaskSpec) -> str:
    labels = "|".join(sorted(_label_set(row, spec))) or "no label"
    return f"{Path(row.path).name}, line {row.line} ({labels})"
