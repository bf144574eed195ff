"""labels -> twins among them: spellings that a reader takes for one label.

Twins differ in case, white space, invisible characters, Unicode form (NFC, NFD, full width), quotation marks, dashes,
or Cyrillic letters that look like Latin ones; or they are equal numbers, such as 1 and 1.0, or 7 and 007.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from mtl_runtime.text.invisible import remove_invisible

__all__ = ["find_twin", "fold_label", "group_twins"]

# Quotation marks and dashes that word processors put in, then the plain ones.
_MARKS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc\u00b4\u2032`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    }
)
# Cyrillic letters, in lower case, whose lower or upper case looks like the Latin one.
_CYRILLIC = str.maketrans(
    "\u0430\u0432\u0435\u0456\u0458\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455", "abeijkmhopctyxs"
)
_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")


@lru_cache(maxsize=2**14)
def fold_label(label: str) -> str:
    """Spell ``label`` in the way that all its twins share; it is for comparing, not for showing."""
    folded = _fold_once(label)
    return folded if folded == label else fold_label(folded)  # what one step brings out, another may change


def _fold_once(label: str) -> str:
    text = unicodedata.normalize("NFKC", remove_invisible(label).translate(_MARKS)).casefold().translate(_CYRILLIC)
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    return _plain_number(text) or text


def find_twin(label: str, labels: Iterable[str]) -> str | None:
    """The first of ``labels`` that is a twin of ``label``, or ``label`` itself; None: there is none."""
    folded = fold_label(label)
    return next((other for other in labels if fold_label(other) == folded), None)


def group_twins(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """The groups of two or more twins among different ``labels``, in their order."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(fold_label(label), []).append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _plain_number(text: str) -> str | None:
    """The shortest way to write a decimal number, digit by digit, so that long ones keep theirs; None: it is none."""
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        return None
    whole, fraction = match[2].lstrip("0") or "0", (match[3] or "").rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return f"-{number}" if match[1] == "-" and number != "0" else number
