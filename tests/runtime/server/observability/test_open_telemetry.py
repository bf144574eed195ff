"""Spans as a collector sees them."""

import asyncio
import http.server
import json
import queue
import signal
import threading
import time

import pytest

pytest.importorskip("opentelemetry.sdk", reason="mtl-export[otel] is not installed")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="mtl-export[otel] is not installed")

from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mtl_runtime.server.observability.open_telemetry import OpenTelemetryTracing
from mtl_runtime.server.scheduling.compute import compute_job
from mtl_runtime.server.scheduling.fair_queue import FairQueue
from mtl_runtime.server.scheduling.ticket import Ticket
from tests.runtime.server.running import RunningServer
from tests.runtime.server.server_process import WAIT, ask, port_of, serving

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OpenTelemetryTracing(provider)


def by_name(spans):
    names = {}
    for span in spans:
        names.setdefault(span.name, []).append(span)
    return names


def test_a_request_is_a_span_with_its_wait_and_its_batch_and_without_its_texts(model, tracing, exporter):
    with RunningServer([model], tracing=tracing) as server:
        server.ask(
            "POST",
            "/v1/predict?secret=1",
            {"texts": ["a secret", "the soup was good"]},
            traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01",
            X_Request_Id="call-1",
        )
    spans = by_name(exporter.get_finished_spans())
    ((request,), (wait,), (batch,)) = spans["POST /v1/predict"], spans["queue"], spans["batch"]
    assert request.kind is trace.SpanKind.SERVER
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE_ID, SPAN_ID)
    assert dict(request.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/predict",
        "http.response.status_code": 200,
        "url.path": "/v1/predict",
        "url.scheme": "http",
        "mtl.request_id": "call-1",
        "mtl.texts": 2,
    }
    assert [child.parent.span_id for child in (wait, batch)] == [request.context.span_id] * 2
    assert dict(batch.attributes) == {
        "mtl.model": "tiny",
        "mtl.variant": model.variant,
        "mtl.batch.requests": 1,
        "mtl.batch.texts": 2,
        "mtl.batch.tokens": sum(one.tokens for one in model.classifier(["a secret", "the soup was good"])),
        "mtl.texts": 2,
    }
    assert request.start_time <= wait.start_time <= wait.end_time == batch.start_time <= batch.end_time
    assert "secret" not in "".join(span.to_json() for span in exporter.get_finished_spans())


def test_a_batch_of_several_requests_is_linked_among_their_traces(model, tracing, exporter):
    async def compute():
        loop, waiting, requests = asyncio.get_running_loop(), FairQueue(), []
        for texts in (["good"], ["bad", "fine"], ["so so"]):
            request = tracing._tracer.start_span("request")
            requests.append(request)
            with trace.use_span(request, end_on_exit=True):
                waiting.put(
                    Ticket(
                        model=model,
                        texts=texts,
                        tasks=model.classifier.specs,
                        embed=False,
                        deadline=time.monotonic() + 60,
                        future=loop.create_future(),
                        trace=tracing.current(),
                    )
                )
        job, _ = waiting.take(1)
        tracing.record_job(job, compute_job(job), 0.01)
        return requests

    requests = asyncio.run(compute())
    batches = by_name(exporter.get_finished_spans())["batch"]
    first, *others = sorted(batches, key=lambda span: len(span.links), reverse=True)
    assert {span.context.trace_id for span in batches} == {span.get_span_context().trace_id for span in requests}
    assert {link.context.span_id for link in first.links} == {span.context.span_id for span in others}
    assert [[link.context.span_id for link in span.links] for span in others] == [[first.context.span_id]] * 2
    assert {(span.attributes["mtl.batch.requests"], span.attributes["mtl.batch.texts"]) for span in batches} == {(3, 4)}
    assert sorted(span.attributes["mtl.texts"] for span in batches) == [1, 1, 2]


def test_a_request_that_its_client_does_not_sample_leaves_no_span(model, tracing, exporter):
    with RunningServer([model], tracing=tracing) as server:
        server.ask("POST", "/v1/predict", {"texts": ["good"]}, traceparent=f"00-{TRACE_ID}-{SPAN_ID}-00")
        server.ask("GET", "/secret/path", traceparent="no trace")
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET unknown"
    assert span.attributes["http.response.status_code"] == 404
    assert span.parent is None


def test_only_what_the_server_failed_at_is_an_error(model, tracing, exporter):
    with RunningServer([model], tracing=tracing, workers=0) as server:
        server.ask("POST", "/v1/predict", {"texts": []})
        server.ask("POST", "/v1/predict", b"no json")
        server.ask("POST", "/v1/predict", {"texts": ["a"]}, X_Request_Timeout="0.05")
    codes = {span.attributes["http.response.status_code"]: span for span in exporter.get_finished_spans()}
    assert {code: span.status.status_code.name for code, span in codes.items()} == {
        200: "UNSET",
        400: "UNSET",
        504: "ERROR",
    }
    assert codes[504].attributes["error.type"] == "504"


def test_calls_of_grpc_are_spans_too(model, tracing, exporter):
    grpc = pytest.importorskip("grpc", reason="mtl-export[grpc] is not installed")
    from mtl_runtime.server.protocols.open_inference import open_inference_pb2 as messages

    with (
        RunningServer([model], tracing=tracing, grpc=True) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        ready = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelReady", messages.ModelReadyRequest.SerializeToString
        )
        headers = [("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01")]
        ready(messages.ModelReadyRequest(name="tiny"), timeout=WAIT, metadata=headers)
        with pytest.raises(grpc.RpcError):
            ready(messages.ModelReadyRequest(name="other"), timeout=WAIT)
    first, second = exporter.get_finished_spans()
    assert first.name == "inference.GRPCInferenceService/ModelReady"
    assert f"{first.parent.span_id:016x}" == SPAN_ID
    assert [span.attributes["rpc.grpc.status_code"] for span in (first, second)] == [0, 5]


class Collector:
    """Takes what exporters send to /v1/traces."""

    def __enter__(self):
        received = self.received = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                received.put((self.path, ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def test_a_server_sends_its_last_spans_before_it_ends(bundle_path, monkeypatch):
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")  # nothing is sent before the end
        with serving(f"bundle={bundle_path}") as process:
            ask(port_of(process))
            process.send(signal.SIGTERM)
            assert process.wait() == 0
        path, sent = collector.received.get(timeout=WAIT)
    (spans,) = sent.resource_spans
    resource = {one.key: one.value.string_value for one in spans.resource.attributes}
    assert path == "/v1/traces"
    assert resource["service.name"] == "mtl-serve"
    assert resource["deployment.environment.name"] == "test"
    assert {span.name for scope in spans.scope_spans for span in scope.spans} == {"POST /v1/predict", "queue", "batch"}


def test_a_collector_that_does_not_answer_keeps_no_server_alive(bundle_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with serving(f"bundle={bundle_path}") as process:
        assert ask(port_of(process))[0] == 200
        process.send(signal.SIGTERM)
        started = time.monotonic()
        assert process.wait() == 0
        assert time.monotonic() - started < 15
        lines = [json.loads(line) for line in process.lines]
    assert any("traces are sent to" in line["message"] for line in lines)
