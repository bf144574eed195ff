"""value -> JSON response."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

__all__ = ["json_response"]

_ENCODER = msgspec.json.Encoder()


def json_response(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """A response with ``value`` as JSON: plain values, msgspec structs and dataclasses.

    Args:
        value: its numbers are finite; msgspec would write another as null.
        status: of HTTP.
        headers: further ones.
        media_type: of the body.
    """
    return Response(_ENCODER.encode(value), status_code=status, headers=headers, media_type=media_type)
