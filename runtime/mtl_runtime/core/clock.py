"""The current moment, as records and evidence hold it, and durations in words."""

import os
from datetime import UTC, datetime

from mtl_runtime.errors import MtlError

__all__ = ["spoken_duration", "utc_timestamp"]


def utc_timestamp() -> str:
    """Now, or SOURCE_DATE_EPOCH where that is set; UTC, ISO 8601.

    Raises:
        MtlError: SOURCE_DATE_EPOCH is no number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        now = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MtlError(f"SOURCE_DATE_EPOCH is {epoch!r}; it must be a number of seconds since 1970") from error
    return now.isoformat(timespec="seconds")


def spoken_duration(seconds: float) -> str:
    """Format as "40 seconds", "1 minute 50 seconds", "3 minutes" or "1 hour 20 minutes", no finer than it is known."""
    if seconds < 175:
        return _join(divmod(max(10, 10 * round(seconds / 10)), 60), ("minute", "second"))
    return _join(divmod(round(seconds / 60), 60), ("hour", "minute"))


def _join(numbers: tuple[int, int], nouns: tuple[str, str]) -> str:
    """Name the numbers that are not 0."""
    pairs = zip(numbers, nouns, strict=True)
    return " ".join(f"{number} {noun}{'s' if number > 1 else ''}" for number, noun in pairs if number)
