"""names, texts and paths -> words of a message that stays short and on one line."""

import re
from collections.abc import Iterable, Sequence
from os import PathLike, fspath

__all__ = ["MESSAGE_CHARACTERS", "elide", "enumerate_names", "name_path", "shorten"]

MESSAGE_CHARACTERS = 500  # of a message, at most

_NAMED = 5
_NAME_CHARACTERS = 80
_PATH_CHARACTERS = 200
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def enumerate_names(names: Iterable[str], *, most: int = _NAMED, characters: int = _NAME_CHARACTERS) -> str:
    r"""Join as ``a, b and 7 more``: at most ``most`` are named, each with at most so many ``characters``.

    A name stays on its line: a control character in it is ``\x0a``.
    """
    names = names if isinstance(names, Sequence) else list(names)
    shown = ", ".join(shorten(_escape(name), characters) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def shorten(text: str, most: int) -> str:
    """Cut ``text`` to ``most`` characters, of which the last three are dots then."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def elide(text: str, most: int = MESSAGE_CHARACTERS) -> str:
    """Take the middle out of a ``text`` of more than ``most`` characters: what it is about and what to do stay."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 5]} ... {text[-end:]}"


def name_path(path: str | PathLike[str]) -> str:
    r"""Write a path on one line and at most 200 characters: a line break in it is ``\x0a``."""
    return elide(_escape(fspath(path)), _PATH_CHARACTERS)


def _escape(text: str) -> str:
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
