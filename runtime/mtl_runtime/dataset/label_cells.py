"""cell of a data file -> the label in it, depending on the kind of task; None for an empty cell."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mtl_runtime.bundle.manifest import Kind

__all__ = ["Label", "label_names", "parse_label"]

# single_label: the label's name; multi_label: the names; regression: the number
Label = str | tuple[str, ...] | float

_LARGEST_NUMBER = 3.4028234e38  # of float32, which regressions are trained in


def parse_label(value: Any, kind: Kind, labels: Sequence[str] = ()) -> Label | None:
    """Parse the label in a cell; None for an empty cell, null or NaN.

    Args:
        value: str in csv and tsv, a JSON value in jsonl, a Python value in parquet.
        kind: of the task.
        labels: the task's labels; empty: any label is accepted.

    Raises:
        ValueError: the cell is not a label of this kind, or the task has no such label.
    """
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    label = _PARSE[kind](value)
    if labels:
        _require_known(label_names(label), labels)
    return label


def label_names(label: Label) -> tuple[str, ...]:
    """List the names in a label: one for single_label, any number for multi_label, none for a regression."""
    if isinstance(label, str):
        return (label,)
    return label if isinstance(label, tuple) else ()


def _require_known(names: Iterable[str], labels: Sequence[str]) -> None:
    for name in names:
        if name not in labels:
            near = difflib.get_close_matches(name, labels, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; the labels are: {', '.join(labels)}"
            raise ValueError(f"unknown label {name!r}{hint}")


def _parse_name(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes a column of whole numbers with gaps as floats
    if isinstance(value, str | int):
        name = str(value).strip()
        if name:
            return name
    raise ValueError(f"a label is a word or a whole number, found {value!r}")


def _parse_names(value: Any) -> tuple[str, ...]:
    """Parse the labels of a multi_label cell: a list, or names joined by "|" (a single "|" means that none applies)."""
    parts = [part for part in value.split("|") if part.strip()] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError(  # noqa: TRY004 - a wrong cell, not a wrong program
            f"expected labels joined by '|' or a list of them, found {value!r}"
        )
    names = tuple(dict.fromkeys(_parse_name(part) for part in parts))
    if any("|" in name for name in names):
        raise ValueError(f"a label of a multi_label task must not contain '|', found {value!r}")
    return names


def _parse_number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= _LARGEST_NUMBER:
        raise ValueError(f"expected a finite number, found {value!r}")
    return number


_PARSE: Mapping[Kind, Callable[[Any], Label]] = {
    "single_label": _parse_name,
    "multi_label": _parse_names,
    "regression": _parse_number,
}
