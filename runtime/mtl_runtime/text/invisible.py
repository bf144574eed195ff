"""text -> the same text without characters that nobody sees."""

import re

__all__ = ["is_blank", "remove_invisible", "strip_invisible"]

# Characters of no width that tools leave behind: soft hyphen, zero-width spaces and joiners, marks of direction, the
# byte order mark, variation selectors.
_ZERO_WIDTH = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
_INSIDE = re.compile(f"[{_ZERO_WIDTH}]+")
# Around a text a variation selector belongs to the character before it.
_AROUND = re.compile("^[\\s{0}]+|[\\s{0}]+$".format(_ZERO_WIDTH.replace("\ufe00-\ufe0f", "")))


def strip_invisible(text: str) -> str:
    """Remove white space and characters of no width from both ends."""
    return _AROUND.sub("", text)


def remove_invisible(text: str) -> str:
    """Remove every character of no width; white space stays."""
    return _INSIDE.sub("", text)


def is_blank(text: str) -> bool:
    """Whether nobody sees anything of ``text``: it is empty, white space, or has no width."""
    return not strip_invisible(text)
