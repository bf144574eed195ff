"""names -> words of a finding."""

from collections.abc import Sequence

__all__ = ["enumerate_names"]

_NAMED = 5


def enumerate_names(names: Sequence[str]) -> str:
    """Join as ``a, b and 7 more``; at most five are named."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED:,} more"
