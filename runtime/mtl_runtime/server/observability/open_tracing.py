"""variables ``OTEL_*`` of the environment -> Tracing: spans for a collector, or none."""

import logging
import os
from collections.abc import Mapping, Sequence

from mtl_runtime.server.observability.tracing import Tracing

__all__ = ["open_tracing"]

_log = logging.getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


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
