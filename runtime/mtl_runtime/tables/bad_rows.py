"""number of bad rows -> what the error about the first of them says about the others."""

__all__ = ["describe_bad_rows"]


def describe_bad_rows(more: int, *, complete: bool = True, way_out: str = "") -> str:
    """Say how many bad rows follow the first, and what leaves them out.

    Args:
        more: bad rows after the first.
        complete: whether the rest of the file was read to count them.
        way_out: what leaves them out, such as "--on-bad-row skip".

    Returns:
        The end of the message about the first bad row; empty if there is nothing to say.
    """
    parts = []
    if more:
        at_least = "" if complete else "at least "
        parts.append(f"and {at_least}{more:,} more bad {'row' if more == 1 else 'rows'}")
    if way_out:
        parts.append(f"{way_out} leaves {'them' if more else 'it'} out")
    return f" ({'; '.join(parts)})" if parts else ""
