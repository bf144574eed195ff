"""Requests and jobs -> spans of OpenTelemetry.

A request has a span, with one child for the wait in the queue and one for each job that held texts of it. A job serves
several requests: each has a span of it in its own trace, and links lead from the first of these spans to the others,
and back.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.server.observability.tracing import TracedCall, Tracing
from mtl_runtime.server.scheduling.compute import Answers, Failure
from mtl_runtime.server.scheduling.fair_queue import Job
from mtl_runtime.server.scheduling.ticket import Ticket

__all__ = ["OpenTelemetryTracing", "open_provider"]

_CLOSE_SECONDS = 5.0  # for the last spans; a collector that does not answer keeps no server alive
_SECOND = 1_000_000_000  # nanoseconds


def open_provider() -> TracerProvider:
    """Spans for the collector that the environment names, sampled as it says."""
    defaults = {"service.name": "mtl-serve", "service.version": _version()}
    resource = Resource.create({**defaults, **OTELResourceDetector().detect().attributes})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class OpenTelemetryTracing(Tracing):
    """Spans that a provider samples and exports.

    Args:
        provider: is shut down by :meth:`close`.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("mtl_runtime", _version())

    @contextmanager
    def request(self, call: TracedCall, /) -> Iterator[None]:
        """A span of kind SERVER; its parent is the span of the client, if the headers name one."""
        parent = propagate.extract(call, getter=_HEADERS)
        span = self._tracer.start_span("request", parent, trace.SpanKind.SERVER)
        token = context.attach(trace.set_span_in_context(span, parent))
        try:
            yield
        finally:
            context.detach(token)
            name, attributes = call.describe_span()
            span.update_name(name)
            span.set_attributes(attributes)
            if "error.type" in attributes:
                span.set_status(trace.StatusCode.ERROR)
            span.end()

    def current(self) -> trace.Span | None:
        """The span of the request, if it is sampled."""
        span = trace.get_current_span()
        return span if span.is_recording() else None

    def record_job(self, job: Job, outcomes: Sequence[Answers | Failure], seconds: float, /) -> None:
        """Spans ``queue`` and ``batch`` for each traced request of a job that has just ended."""
        now = time.time_ns()
        started, age = now - int(seconds * _SECOND), time.monotonic()
        shared = _describe_job(job, outcomes)
        spans: list[trace.Span] = []
        for ticket, own in _group_by_ticket(outcomes).items():
            if ticket.trace is None:
                continue
            parent = trace.set_span_in_context(ticket.trace)
            if own[0].slice.start == 0:
                arrived = now - int((age - ticket.arrived) * _SECOND)
                self._tracer.start_span("queue", parent, start_time=arrived).end(started)
            links = [trace.Link(span.get_span_context()) for span in spans[:1]]
            span = self._tracer.start_span("batch", parent, attributes=shared, links=links, start_time=started)
            span.set_attribute("mtl.texts", _count_texts(own))
            for failure in own:
                if isinstance(failure, Failure):
                    span.set_status(trace.StatusCode.ERROR)
                    span.set_attribute("error.type", type(failure.error).__name__)
            if spans:
                spans[0].add_link(span.get_span_context())
            spans.append(span)
        for span in spans:
            span.end(now)

    def close(self) -> None:
        """Send the last spans; the library itself would wait for a dead collector for half a minute."""
        thread = threading.Thread(target=self._provider.shutdown, name="mtl-last-spans", daemon=True)
        thread.start()
        thread.join(_CLOSE_SECONDS)


def _group_by_ticket(outcomes: Sequence[Answers | Failure]) -> dict[Ticket, list[Answers | Failure]]:
    """What became of each request; a long one may have several turns in a job."""
    groups: dict[Ticket, list[Answers | Failure]] = {}
    for outcome in sorted(outcomes, key=lambda one: one.slice.start):
        groups.setdefault(outcome.slice.ticket, []).append(outcome)
    return groups


def _describe_job(job: Job, outcomes: Sequence[Answers | Failure]) -> Mapping[str, str | int]:
    """Attributes that the spans of a job have in common: what ran, and how much."""
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answers)]
    return {
        "mtl.model": job.model.name,
        "mtl.variant": job.model.variant,
        "mtl.batch.requests": len({outcome.slice.ticket for outcome in outcomes}),
        "mtl.batch.texts": _count_texts(outcomes),
        "mtl.batch.tokens": sum(prediction.tokens for answer in answers for prediction in answer.predictions),
    }


def _count_texts(outcomes: Sequence[Answers | Failure]) -> int:
    return sum(outcome.slice.stop - outcome.slice.start for outcome in outcomes)


class _HeaderGetter(Getter[TracedCall]):
    def get(self, carrier: TracedCall, key: str) -> list[str] | None:
        value = carrier.header(key.lower())
        return None if value is None else [value]

    def keys(self, carrier: TracedCall) -> list[str]:  # noqa: ARG002 - of the interface
        return []


_HEADERS = _HeaderGetter()


def _version() -> str:
    return installed_versions(["mtl-export"]).get("mtl-export", "unknown")
