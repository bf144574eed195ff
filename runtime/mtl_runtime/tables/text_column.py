"""Columns of a table -> the one with the texts, where nobody names it."""

from collections.abc import Collection, Sequence

__all__ = ["COLUMN_HINT", "choose_text_column"]

COLUMN_HINT = "; name the texts' column with --column"  # at the end of the error about a missing one
_DEFAULT = "text"


def choose_text_column(columns: Collection[str], *, trained: Sequence[str], asked: str | None = None) -> str:
    """Choose the column with the texts; it may be absent, which is an error where the table is read.

    Args:
        columns: those of the table.
        trained: the columns that held the texts in training; a table that has one of them is taken to be alike.
        asked: what the caller names; no other column is considered then.
    """
    candidates = [asked] if asked is not None else [*trained, _DEFAULT]
    return next((name for name in candidates if name in columns), candidates[0])
