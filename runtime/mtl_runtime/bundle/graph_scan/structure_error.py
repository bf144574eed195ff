"""The exception inside of a scan, which becomes a BundleError that names the file."""

from mtl_runtime.wording import shorten

__all__ = ["GraphStructureError", "quote"]

_MOST_NAME = 60


class GraphStructureError(Exception):
    """A graph has what no graph of ours has; the message is a predicate, such as "has local functions"."""


def quote(name: str | bytes) -> str:
    """A name in quotes, cut to a length that a message can hold."""
    return repr(shorten(name if isinstance(name, str) else name.decode("utf-8", "replace"), _MOST_NAME))
