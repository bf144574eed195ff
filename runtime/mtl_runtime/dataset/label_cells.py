"""a cell of a data file -> the label that it holds, by kind of task; None where it holds none."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mtl_runtime.bundle.manifest import Kind

__all__ = ["Label", "label_names", "parse_label"]

# single_label: the label's name; multi_label: the names; regression: the number
Label = str | tuple[str, ...] | float

_LARGEST_NUMBER = 3.4028234e38  # of float32, in which a regression is learnt


def parse_label(value: Any, kind: Kind, labels: Sequence[str] = ()) -> Label | None:
    """The label in a cell; None for an empty cell, null or NaN.

    Args:
        value: str in csv and tsv, a JSON value in jsonl, a Python value in parquet.
        kind: of the task.
        labels: those that the task knows; empty: all are welcome.

    Raises:
        ValueError: the cell holds no label of this kind, or one that the task does not know.
    """
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    label = _PARSE[kind](value)
    if labels:
        _known(label_names(label), labels)
    return label


def label_names(label: Label) -> tuple[str, ...]:
    """Names in a label: one for single_label, any number for multi_label, none for a regression."""
    if isinstance(label, str):
        return (label,)
    return label if isinstance(label, tuple) else ()


def _known(names: Iterable[str], labels: Sequence[str]) -> None:
    for name in names:
        if name not in labels:
            near = difflib.get_close_matches(name, labels, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; the labels are: {', '.join(labels)}"
            raise ValueError(f"unknown label {name!r}{hint}")


def _name(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # whole numbers with gaps are written as floats by pandas
    if isinstance(value, str | int):
        name = str(value).strip()
        if name:
            return name
    raise ValueError(f"a label is a word or a whole number, found {value!r}")


def _names(value: Any) -> tuple[str, ...]:
    """Labels of a multi_label cell: a list, or names joined by "|" (a lone "|" says: none applies)."""
    parts = [part for part in value.split("|") if part.strip()] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError(  # noqa: TRY004 - a wrong cell, not a wrong program
            f"expected labels joined by '|' or a list of them, found {value!r}"
        )
    names = tuple(dict.fromkeys(_name(part) for part in parts))
    if any("|" in name for name in names):
        raise ValueError(f"a label of a multi_label task must not contain '|', found {value!r}")
    return names


def _number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= _LARGEST_NUMBER:
        raise ValueError(f"expected a finite number, found {value!r}")
    return number


_PARSE: Mapping[Kind, Callable[[Any], Label]] = {
    "single_label": _name,
    "multi_label": _names,
    "regression": _number,
}
