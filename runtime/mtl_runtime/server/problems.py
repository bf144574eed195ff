"""exception -> Problem: status, title and detail, which each protocol writes in its own shape."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mtl_runtime.errors import (
    InvalidTextError,
    MtlError,
    NonFiniteError,
    UnknownLabelError,
    UnknownTaskError,
)
from mtl_runtime.server.failures import (
    BadRequestError,
    BodyTooLargeError,
    ClientGoneError,
    DeadlineError,
    ForbiddenError,
    MethodNotAllowedError,
    NoTextsError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    ReloadError,
    SlowClientError,
    TooManyTextsError,
    UnauthorizedError,
    UnknownModelError,
    UnsupportedEncodingError,
)

__all__ = ["STATUS_TITLES", "Problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a request gets no answer."""

    status: int  # of HTTP
    kind: str  # a word for it, which clients can compare and metrics count
    title: str
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)  # for programs: the index of a text, the known tasks
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: BaseException) -> "Problem":
        """What a client may know about ``error``: of an unexpected one nothing but that it happened."""
        for kind, row in _KINDS.items():
            if isinstance(error, kind):
                status, name, title = row
                detail = str(error) if status != 500 or isinstance(error, NonFiniteError) else _INTERNAL
                return cls(
                    status=status, kind=name, title=title, detail=detail, facts=_facts(error), headers=_headers(error)
                )
        return cls(status=500, kind="internal", title="Internal error", detail=_INTERNAL)


_INTERNAL = "the server failed to answer; its log has the reason under this request's id"

# The first that fits counts: subclasses stand before their base.
_KINDS: Mapping[type[BaseException], tuple[int, str, str]] = {
    NoTextsError: (400, "no_texts", "No texts"),
    BadRequestError: (400, "bad_request", "Not a request of this protocol"),
    UnauthorizedError: (401, "unauthorized", "No valid API key"),
    ForbiddenError: (403, "forbidden", "Not for this client"),
    UnknownModelError: (404, "unknown_model", "Unknown model"),
    NotFoundError: (404, "not_found", "Nothing here"),
    MethodNotAllowedError: (405, "method_not_allowed", "Another method is needed"),
    SlowClientError: (408, "slow_client", "The request did not come in time"),
    ReloadError: (409, "not_reloaded", "Not reloaded"),
    BodyTooLargeError: (413, "body_too_large", "Body too large"),
    TooManyTextsError: (413, "too_many_texts", "Too many texts"),
    UnsupportedEncodingError: (415, "unsupported_encoding", "Unknown content encoding"),
    InvalidTextError: (422, "invalid_text", "A text cannot be classified"),
    UnknownTaskError: (422, "unknown_task", "Unknown task"),
    UnknownLabelError: (422, "unknown_label", "Unknown label"),
    OverloadedError: (429, "overloaded", "Too busy"),
    ClientGoneError: (499, "client_gone", "The client has gone"),
    NonFiniteError: (500, "non_finite", "The model gave no finite answer"),
    NotReadyError: (503, "not_ready", "Not ready"),
    DeadlineError: (504, "deadline", "Deadline passed"),
    MtlError: (500, "internal", "Internal error"),
}


def _name_statuses() -> dict[int, str]:
    names: dict[int, str] = {}
    for status, _, title in _KINDS.values():
        known = names.get(status)
        names[status] = title if known in (None, title) else f"{known}, or {title[0].lower()}{title[1:]}"
    return names


STATUS_TITLES: Mapping[int, str] = _name_statuses()  # what each status may mean


# Attributes of an error that programs can use.
_FACTS: Mapping[type[BaseException], tuple[str, ...]] = {
    InvalidTextError: ("index", "problem"),
    NonFiniteError: ("index",),
    UnknownTaskError: ("known",),
    UnknownLabelError: ("known",),
    UnknownModelError: ("known",),
    TooManyTextsError: ("texts", "limit"),
    BodyTooLargeError: ("limit",),
    OverloadedError: ("retry_after",),
    NotReadyError: ("retry_after",),
}


def _facts(error: BaseException) -> dict[str, Any]:
    return {name: getattr(error, name) for name in _FACTS.get(type(error), ())}


def _headers(error: BaseException) -> dict[str, str]:
    if isinstance(error, OverloadedError | NotReadyError):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, MethodNotAllowedError):
        return {"Allow": ", ".join(error.allowed)}
    return {}
