"""cell of a data file -> the label in it, depending on the kind of task; None for an empty cell."""

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.dataset.label_twins import find_twin
from mtl_runtime.dataset.list_cells import parse_list_text
from mtl_runtime.dataset.number_cells import parse_number
from mtl_runtime.text.invisible import is_blank, strip_invisible
from mtl_runtime.wording import enumerate_names, shorten

__all__ = ["Label", "LabelColumn", "label_names", "looks_missing", "parse_label"]

# single_label: the label's name; multi_label: the names; regression: the number
Label = str | tuple[str, ...] | float

# How spreadsheets, databases, pandas and people write that there is no value, in lower case.
_MISSING_VALUES = frozenset(
    [
        *("n/a", "n.a.", "na", "nan", "-nan", "nat", "null", "nil", "none", "missing", "#n/a", "#na", "<na>", "<null>"),
        *("#value!", "#ref!", "#div/0!", "#null!", "-", "--", "---", "\u2013", "\u2014", "?", "??", ".", ".."),
    ]
)
# What looks like a list that was written as text: brackets, Postgres' {film,food}, a call such as Index([...]), and
# what a spreadsheet left of a list that was too long for its cell.
_LIST_LIKE = re.compile(
    r"""\[.*\]|\{.*\}|['"]?(?:[A-Za-z][\w.]*\()*[\[({]\s*[bu]?['"].*|[A-Za-z][\w.]*\([\[{].*""", re.DOTALL
)
_CALLS = re.compile(r"""^['"]?(?:[A-Za-z][\w.]*\()+""")
_TRUTH_VALUES = frozenset(
    ["0", "1", "true", "false", "True", "False"]
)  # cells of a matrix with a column for each label
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelColumn:
    """The column that holds a task's labels, and how they are read."""

    column: str
    kind: Kind
    labels: tuple[str, ...] = ()  # empty: any label is accepted
    fold_labels: bool = False  # a twin of one of ``labels`` is read as that label
    missing: tuple[str, ...] = ()  # what stands for no label

    @classmethod
    def of(cls, task: TaskSpec) -> Self:
        """A column that has the name of a task of a bundle."""
        return cls(
            column=task.name,
            kind=task.kind,
            labels=task.labels,
            fold_labels=task.fold_labels,
            missing=task.missing,
        )


def parse_label(value: Any, column: LabelColumn) -> Label | None:
    """Parse the label in a cell; None for a cell that is empty, null, NaN or one of ``column.missing``.

    Args:
        value: str in csv and tsv, a JSON value in jsonl, a Python value in parquet.
        column: how its cells are read.

    Raises:
        ValueError: the cell is not a label of this kind, or the task has no such label.
    """
    if isinstance(value, str):
        value = strip_invisible(value)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)) or _is_missing(value, column):
        return None
    try:
        return _PARSE[column.kind](value, column)
    except ValueError as error:
        if isinstance(value, str) and looks_missing(value):
            hint = f'if it stands for no value, train with missing = ["{value}"]'
            raise ValueError(f"{error}; {hint}") from error
        raise


def label_names(label: Label) -> tuple[str, ...]:
    """List the names in a label: one for single_label, any number for multi_label, none for a regression."""
    if isinstance(label, str):
        return (label,)
    return label if isinstance(label, tuple) else ()


def looks_missing(name: str) -> bool:
    """Whether ``name`` is a common way to write that there is no value, such as N/A, null or ?."""
    return name.casefold() in _MISSING_VALUES


def _is_missing(value: Any, column: LabelColumn) -> bool:
    return bool(column.missing) and isinstance(value, str | int | float) and _spell(value) in column.missing


def _spell(value: str | float) -> str:
    """A scalar as the name of a label."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes a column of whole numbers with gaps as floats
    return strip_invisible(str(value))


def _find_known(name: str, column: LabelColumn) -> str:
    """The label of the task that ``name`` means."""
    labels = column.labels
    if not labels or name in labels:
        return name
    twin = find_twin(name, labels)
    if twin is not None and column.fold_labels:
        return twin
    if twin is not None:
        raise ValueError(
            f"unknown label {name!r}; did you mean {twin!r}? (a task trained with fold_labels = true reads both as one)"
        )
    near = difflib.get_close_matches(name, labels, n=1)
    raise ValueError(f"unknown label {name!r}; " + (f"did you mean {near[0]!r}?" if near else _list_labels(labels)))


def _list_labels(labels: Sequence[str]) -> str:
    return f"the labels are: {enumerate_names(labels)}"


def _parse_name(value: Any, column: LabelColumn) -> str:
    items = parse_list_text(value) if isinstance(value, str) and value not in column.labels else value
    if isinstance(items, list | tuple | set | frozenset) and _holds_strings(items):
        raise ValueError(
            f"found the list {_show(value)}, and a single_label task has one label for each text; "
            f'read lists with kind = "multi_label"'
        )
    if isinstance(value, str | int) or (isinstance(value, float) and value.is_integer()):
        name = _spell(value)
        if name:
            return _find_known(name, column)
    hint = '; read numbers with kind = "regression", or write them as text' if isinstance(value, float) else ""
    raise ValueError(f"a label is a word or a whole number, found {_show(value)}{hint}")


def _holds_strings(items: Iterable[Any]) -> bool:
    return any(isinstance(item, str) for item in items)


def _show(value: Any) -> str:
    """A value in a message: a list as it is written, anything else as Python writes it."""
    return shorten(value if isinstance(value, str) and parse_list_text(value) else repr(value), _SHOWN_CHARACTERS)


def _parse_names(value: Any, column: LabelColumn) -> tuple[str, ...] | None:
    """Parse the labels of a multi_label cell: a list, or names joined by "|" (a single "|" means that none applies)."""
    parts = _split(value, column) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple | set | frozenset):
        raise ValueError(  # noqa: TRY004 - a wrong cell, not a wrong program
            f"expected labels joined by '|' or a list of them, found {_show(value)}"
        )
    present = [part for part in parts if not _is_missing(part, column)]
    if parts and not present:
        return None
    if _is_matrix_row(parts) and not column.labels:
        raise ValueError(
            f"{_show(value)} looks like a row of a matrix with a 0 or 1 for each label; join the names of the labels "
            f"that apply by '|'"
        )
    plain = LabelColumn(column=column.column, kind="single_label", labels=column.labels, fold_labels=column.fold_labels)
    names = tuple(dict.fromkeys(_parse_name(part, plain) for part in present))
    if any("|" in name for name in names):
        raise ValueError(f"a label of a multi_label task must not contain '|', found {_show(value)}")
    return names


def _is_matrix_row(parts: Collection[Any]) -> bool:
    """Whether these are truth values of all labels, in their order, in place of the names of some."""
    if any(isinstance(part, bool) for part in parts):
        return True
    words = [_spell(part) if isinstance(part, str | int | float) else "" for part in parts]
    return len(set(words)) < len(words) and _TRUTH_VALUES.issuperset(words)


def _split(text: str, column: LabelColumn) -> list[Any]:
    """The parts of a cell that is a text: of a list that was written into it, or between its "|"."""
    if text in column.labels:
        return [text]
    items = parse_list_text(text)
    if items is not None:
        return list(items)
    if _LIST_LIKE.fullmatch(text):
        parts = (part.strip("[](){}'\" ") for part in _CALLS.sub("", text).split(","))
        example = shorten("|".join(filter(None, parts)), _SHOWN_CHARACTERS)
        raise ValueError(
            f"{shorten(text, _SHOWN_CHARACTERS)} looks like a list, but cannot be read as one; join labels by '|', as "
            f"in {example or '|'}"
        )
    return [part for part in text.split("|") if not is_blank(part)]


def _parse_number(value: Any, _column: LabelColumn) -> float:
    return parse_number(value)


_PARSE: Mapping[Kind, Callable[[Any, LabelColumn], Label | None]] = {
    "single_label": _parse_name,
    "multi_label": _parse_names,
    "regression": _parse_number,
}
