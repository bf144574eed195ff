"""cell of a regression -> its number; the error about a cell that is none says how to write it."""

import math
import re
from typing import Any

from mtl_runtime.wording import shorten

__all__ = ["parse_number"]

_LARGEST = 3.4028234e38  # of float32, which regressions are trained in

_DIGITS = r"[+-]?\d+"
_THOUSANDS = re.compile(rf"{_DIGITS}(?:,\d{{3}}){{1,}}(?:\.\d+)?")  # 1,234.5
_GERMAN = re.compile(rf"{_DIGITS}(?:\.\d{{3}}){{1,}}(?:,\d+)?")  # 1.234,5
_COMMA = re.compile(rf"{_DIGITS},\d+")  # 3,5
_SPACED = re.compile(rf"{_DIGITS}(?:[ \u00a0\u2009\u202f']\d{{3}})+(?:[.,]\d+)?")  # 1 234,5
_WITH_UNIT = re.compile(r"[^\d+(-]*([+-]?\d(?:.*\d)?)[^\d)]*")  # $12, 12 kg; not (12), which accountants mean as -12
_MINUS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"))


def parse_number(value: Any) -> float:
    """Parse a finite number.

    Raises:
        ValueError: the cell holds none; the message suggests how to write what stands there.
    """
    try:
        number = math.nan if isinstance(value, bool) or (isinstance(value, str) and "_" in value) else float(value)
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError):
        number = math.nan
    if abs(number) <= _LARGEST:
        return number
    raise ValueError(f"expected a finite number, found {shorten(repr(value), 80)}{_suggest(value, number)}")


def _suggest(value: Any, number: float) -> str:
    if math.isinf(number) or abs(number) > _LARGEST:
        return f"; leave the cell empty, or write a number up to {_LARGEST:.1e}"
    if not isinstance(value, str):
        return ""
    spellings = _spellings(value.strip().translate(_MINUS))
    return f"; write {' or '.join(spellings)}" if spellings else ""


def _spellings(text: str) -> list[str]:
    """How the number in ``text`` is written as one; two where it can be read in two ways, none where there is none."""
    if text.endswith("%") and (plain := _plain(text[:-1].strip())):
        return [plain, f"{float(plain) / 100:g}"]
    if _COMMA.fullmatch(text) and _THOUSANDS.fullmatch(text):
        return [text.replace(",", ""), text.replace(",", ".")]
    if plain := _plain(text):
        return [plain]
    unit = _WITH_UNIT.fullmatch(text)
    return _spellings(unit[1]) if unit and unit[1] != text else []


def _plain(text: str) -> str | None:
    if _THOUSANDS.fullmatch(text):
        return text.replace(",", "")
    if _GERMAN.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    if _SPACED.fullmatch(text):
        return re.sub(r"[^\d.+-]", "", text.replace(",", "."))
    if _COMMA.fullmatch(text):
        return text.replace(",", ".")
    return text if re.fullmatch(rf"{_DIGITS}(?:\.\d+)?", text) else None
