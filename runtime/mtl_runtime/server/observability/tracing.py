"""What a server does with traces: nothing, unless the environment names a collector (:mod:`open_telemetry`)."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from mtl_runtime.server.scheduling.compute import Answers, Failure
from mtl_runtime.server.scheduling.fair_queue import Job

__all__ = ["TracedCall", "Tracing", "open_tracing"]

_log = logging.getLogger(__name__)

_NOTHING = nullcontext()
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


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


def open_tracing(environment: Mapping[str, str] = os.environ) -> Tracing:
    """Traces as the standard variables ``OTEL_*`` say: to a collector, if one is named and the packages are there."""
    endpoint = _first(environment, _ENDPOINTS)
    exporter = environment.get("OTEL_TRACES_EXPORTER", "") or "otlp"
    if not endpoint or exporter == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Tracing()
    protocol = _first(environment, _PROTOCOLS) or "http/protobuf"
    if (exporter, protocol) != ("otlp", "http/protobuf"):
        _log.error("no traces are sent: %s over %s is not supported, only otlp over http/protobuf", exporter, protocol)
        return Tracing()
    try:
        from mtl_runtime.server.observability.open_telemetry import OpenTelemetryTracing, open_provider
    except ModuleNotFoundError as error:
        _log.error("no traces are sent: %s is missing; run `pip install 'mtl-export[otel]'`", error.name)
        return Tracing()
    _log.info("traces are sent to %s", endpoint)
    return OpenTelemetryTracing(open_provider())


def _first(environment: Mapping[str, str], names: Sequence[str]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")
