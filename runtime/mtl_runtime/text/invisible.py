"""text -> the same text without characters that nobody sees."""

import re

__all__ = ["is_blank", "remove_invisible", "strip_invisible"]

# What Unicode calls default ignorable: soft hyphen, zero-width spaces and joiners, marks of direction, fillers of
# Hangul, the byte order mark. The tags behind a black flag are not among them: they say whose flag it is.
_NO_WIDTH = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # of a variation of the character before them
_BLANK_BRAILLE = "\u2800"  # the space between words of Braille
_INSIDE = re.compile(f"[{_NO_WIDTH}{_SELECTORS}]+")
_AROUND = re.compile(rf"^[\s{_NO_WIDTH}{_BLANK_BRAILLE}]+|[\s{_NO_WIDTH}{_BLANK_BRAILLE}]+$")


def strip_invisible(text: str) -> str:
    """Remove white space and characters of no width from both ends."""
    return _AROUND.sub("", text)


def remove_invisible(text: str) -> str:
    """Remove every character of no width; white space stays."""
    return _INSIDE.sub("", text)


def is_blank(text: str) -> bool:
    """Whether nobody sees anything of ``text``: it is empty, white space, or has no width."""
    return not strip_invisible(text)
