"""text of a cell -> the list that was written into it, as pandas, Python, numpy and JSON do; None: it is no list."""

import ast
import json
import re
from itertools import pairwise
from typing import Any

__all__ = ["parse_list_text"]

_ESCAPE = r"""\\[\\'"abfnrtvxuUN0-7]"""
_STRING = rf"""'(?:[^'\\]|{_ESCAPE})*'|"(?:[^"\\]|{_ESCAPE})*\""""
_NUMBER = r"[+-]?[0-9]+(?:\.[0-9]*)?"
_ITEM = re.compile(rf"{_STRING}|{_NUMBER}|True|False|true|false")
_BRACKETS = re.compile(r"\[(.*)\]|\((.*)\)|\{(.*)\}", re.DOTALL)
# What Python prints around the brackets of a set or of numpy's arrays.
_CALL = re.compile(r"(?:np\.)?(?:array|frozenset|set|list|tuple)\((.*?)(?:,\s*dtype=[^()\[\]]*)?\)", re.DOTALL)
_SCALAR = re.compile(rf"np\.[a-z_0-9]+\(({_STRING}|{_NUMBER})\)")


def parse_list_text(text: str) -> tuple[Any, ...] | None:
    """Parse ``['film', 'food']`` and its kin: JSON, tuples, sets, numpy's lists without commas, and calls around them.

    Items are str, int, float or bool. A list of bare words, such as ``[film, food]``, is none: where a word ends is a
    guess.
    """
    text = text.strip()
    if not text.endswith(("]", ")", "}")):
        return None
    if call := _CALL.fullmatch(text):
        text = call[1].strip() or "[]"
    brackets = _BRACKETS.fullmatch(text)
    if brackets is None:
        return None
    if isinstance(parsed := _parse_json(text), list | dict):
        return tuple(parsed) if isinstance(parsed, list) and all(map(_is_scalar, parsed)) else None
    # One by one: Python reads numpy's ['film' 'food'] as the single string 'filmfood'.
    content = _SCALAR.sub(r"\1", next(group for group in brackets.groups() if group is not None))
    items = list(_ITEM.finditer(content))
    if _ITEM.sub("", content).replace(",", "").strip() or any(a.end() == b.start() for a, b in pairwise(items)):
        return None
    try:
        return tuple(_parse_item(item[0]) for item in items)
    except (ValueError, SyntaxError):  # an escape that stands for nothing
        return None


def _is_scalar(item: Any) -> bool:
    return isinstance(item, str | int | float)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parse_item(item: str) -> Any:
    if item[0] in "'\"":
        return ast.literal_eval(item)
    if item[0] in "tTfF":
        return item[0] in "tT"
    return float(item) if "." in item else int(item)
