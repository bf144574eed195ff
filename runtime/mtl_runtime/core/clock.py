"""The current moment, as records and evidence hold it."""

import os
from datetime import UTC, datetime

from mtl_runtime.errors import MtlError

__all__ = ["utc_timestamp"]


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
