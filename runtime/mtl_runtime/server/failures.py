"""Why a server refuses a request that the library would answer."""

from collections.abc import Iterable

from mtl_runtime.errors import MtlError

__all__ = [
    "BadRequestError",
    "BodyTooLargeError",
    "ClientGoneError",
    "DeadlineError",
    "ForbiddenError",
    "MethodNotAllowedError",
    "NoTextsError",
    "NotFoundError",
    "NotReadyError",
    "OverloadedError",
    "ReloadError",
    "SlowClientError",
    "TooManyTextsError",
    "UnauthorizedError",
    "UnknownModelError",
    "UnsupportedEncodingError",
]


class BadRequestError(MtlError):
    """The request is not what its protocol says."""


class NoTextsError(BadRequestError):
    """The protocol wants at least one text."""


class UnauthorizedError(MtlError):
    """No API key, or none that this server knows."""


class ForbiddenError(MtlError):
    """Not for this kind of client, whoever it is."""


class NotFoundError(MtlError):
    """The server has nothing at this path."""


class UnknownModelError(NotFoundError):
    """The server has no bundle of that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(f"no model {name!r} is served here; there are: {', '.join(self.known)}")


class MethodNotAllowedError(MtlError):
    """The path is known, but not with this method."""

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.method, self.allowed = method, tuple(allowed)
        super().__init__(f"{method} is not possible here; use {' or '.join(self.allowed)}")


class BodyTooLargeError(MtlError):
    """The body is longer than the server reads, perhaps only after decompression."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"the body has more than {limit} bytes; send fewer texts at once, or stream them")


class UnsupportedEncodingError(MtlError):
    """The body is compressed in a way that the server does not read."""


class TooManyTextsError(MtlError):
    """The request has more texts than the server takes at once."""

    def __init__(self, texts: int, limit: int) -> None:
        self.texts, self.limit = texts, limit
        super().__init__(f"{texts} texts in one request, the limit is {limit}; send them in several requests")


class SlowClientError(MtlError):
    """The client did not send its request in time."""


class OverloadedError(MtlError):
    """There is more to do than can be done in time; ``retry_after`` is in seconds."""

    def __init__(self, problem: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"{problem}; try again in {retry_after} s")


class NotReadyError(MtlError):
    """The server is starting or stopping; ``retry_after`` is in seconds."""

    def __init__(self, problem: str, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(problem)


class ReloadError(MtlError):
    """A bundle or the API keys could not be loaded again; those of before stay."""


class DeadlineError(MtlError):
    """The answer would have come too late; the texts that were still waiting were not computed."""


class ClientGoneError(MtlError):
    """The client closed the connection; nobody is left to read an answer."""
