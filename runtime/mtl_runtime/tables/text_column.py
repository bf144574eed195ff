"""Columns of a table -> the one with the texts, where nobody names it."""

from collections.abc import Collection, Sequence

__all__ = ["COLUMN_HINT", "choose_text_column", "text_candidates"]

COLUMN_HINT = "; name the texts' column with --column"  # at the end of the error about a missing one
_DEFAULT = "text"


def text_candidates(*, trained: Sequence[str], asked: str | None = None) -> Sequence[str]:
    """List the columns that may hold the texts, the first choice first.

    Args:
        trained: the columns that held the texts in training; a table that has one of them is taken to be alike.
        asked: what the caller names; no other column is considered then.
    """
    return [asked] if asked is not None else list(dict.fromkeys([*trained, _DEFAULT]))


def choose_text_column(columns: Collection[str], candidates: Sequence[str]) -> str:
    """The first of ``candidates`` that a table with ``columns`` has; if none, the first, which is an error later."""
    return next((name for name in candidates if name in columns), candidates[0])
