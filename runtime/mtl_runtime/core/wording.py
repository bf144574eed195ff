"""names and texts -> words of a message that stays short."""

from collections.abc import Sequence

__all__ = ["enumerate_names", "shorten"]

_NAMED = 5


def enumerate_names(names: Sequence[str]) -> str:
    """Join as ``a, b and 7 more``; at most five are named."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED:,} more"


def shorten(text: str, most: int) -> str:
    """Cut ``text`` to ``most`` characters, of which the last three are dots then."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
