"""Where traces go, by the environment; needs no package of OpenTelemetry."""

import sys

import pytest

from mtl_runtime.server.observability.open_tracing import open_tracing
from mtl_runtime.server.observability.tracing import Tracing

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_SERVICE_NAME": "mine"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_traced_unless_the_environment_names_a_collector(environment, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)  # an import of it would fail
    tracing = open_tracing(environment)
    assert type(tracing) is Tracing
    assert tracing.current() is None
    assert not caplog.records


def test_a_server_without_the_packages_says_what_to_install(caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "mtl_runtime.server.observability.open_telemetry", raising=False)
    assert type(open_tracing(ENDPOINT)) is Tracing
    assert "mtl-export[otel]" in caplog.text


@pytest.mark.parametrize(
    "wrong", [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}], ids=str
)
def test_what_cannot_be_sent_is_said_and_the_server_goes_on(caplog, wrong):
    assert type(open_tracing({**ENDPOINT, **wrong})) is Tracing
    assert "only otlp over http/protobuf" in caplog.text
