"""What a server says of its work to whoever traces it; without a collector, nothing is traced."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from mtl_runtime.server.scheduling.compute import Answers, Failure
from mtl_runtime.server.scheduling.fair_queue import Job

__all__ = ["TracedCall", "Tracing"]

_NOTHING = nullcontext()


class TracedCall(Protocol):
    """A request of HTTP, or a call of gRPC."""

    def header(self, name: str, /) -> str | None:
        """The value of a header (name in lower case), or None."""

    def describe_span(self) -> tuple[str, Mapping[str, str | int]]:
        """Name and attributes of its span, once it is answered; never a text."""


class Tracing:
    """Spans of requests and of what workers do for them; this one makes none."""

    def request(self, _call: TracedCall, /) -> AbstractContextManager[None]:
        """A span around the answer to a call."""
        return _NOTHING

    def current(self) -> Any:
        """What :meth:`record_job` needs of the request that this task answers; None: it is not traced."""
        return None

    def record_job(self, _job: Job, _outcomes: Sequence[Answers | Failure], _seconds: float, /) -> None:
        """A worker has just computed a job, which took so many seconds."""

    def close(self) -> None:
        """Send what is not sent yet, within a few seconds."""
