"""What happens in a server -> metrics that Prometheus scrapes."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from mtl_runtime.server.served_model import ServedModel

__all__ = ["Metrics", "Queue"]

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Queue(Protocol):
    """What waits for workers."""

    @property
    def waiting_texts(self) -> int:
        """Texts that no worker has taken yet."""

    @property
    def waiting_tokens(self) -> int:
        """Tokens that they will probably have."""

    @property
    def oldest_seconds(self) -> float:
        """How long the one that came first has waited; 0 if nothing waits."""


class Metrics:
    """Counters of one server; labels come from its routes, models and reasons, never from clients."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mtl_requests", "Requests that were answered.", ("route", "code"), registry=self._registry
        )
        self._seconds = Histogram(
            "mtl_request_seconds",
            "Seconds from the headers of a request to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._refusals = Counter(
            "mtl_refused_requests", "Requests without an answer, by reason.", ("reason",), registry=self._registry
        )
        self._waited = Histogram(
            "mtl_queue_seconds",
            "Seconds that requests waited for a worker.",
            buckets=_SECONDS,
            registry=self._registry,
        )

        self._reloads = Counter(
            "mtl_reloads", "Bundles that were loaded again.", ("model", "outcome"), registry=self._registry
        )
        self._shadowed = Counter(
            "mtl_shadow_texts",
            "Texts that a shadow answered as its model did, or not.",
            ("model", "shadow", "task", "outcome"),
            registry=self._registry,
        )

    def count_request(self, route: str, code: int, seconds: float) -> None:
        """A request to a route was answered with a status code."""
        self._requests.labels(route, code).inc()
        self._seconds.labels(route).observe(seconds)

    def count_refusal(self, reason: str) -> None:
        """A request was refused, or its client has gone."""
        self._refusals.labels(reason).inc()

    def observe_wait(self, seconds: float) -> None:
        """A worker took the first text of a request."""
        self._waited.observe(seconds)

    def count_reload(self, model: str, outcome: str) -> None:
        """A model was loaded again, or could not be."""
        self._reloads.labels(model, outcome).inc()

    def count_shadow(self, model: str, shadow: str, task: str, outcome: str, texts: int) -> None:
        """A shadow answered texts of its model: same, different, failed or left out."""
        self._shadowed.labels(model, shadow, task, outcome).inc(texts)

    def watch(self, requests: Callable[[], int], queue: Queue, models: Iterable[ServedModel]) -> None:
        """Report, at each scrape, how many requests are in progress, what waits, and what ``models`` did."""
        self._registry.register(_State(requests, queue, models))

    def render(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


class _State(Collector):
    def __init__(self, requests: Callable[[], int], queue: Queue, models: Iterable[ServedModel]) -> None:
        self._requests, self._queue, self._models = requests, queue, models

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("mtl_requests_in_progress", "Requests being answered.", value=self._requests())
        yield GaugeMetricFamily("mtl_queue_texts", "Texts that wait for a worker.", value=self._queue.waiting_texts)
        yield GaugeMetricFamily("mtl_queue_tokens", "Their tokens, estimated.", value=self._queue.waiting_tokens)
        yield GaugeMetricFamily(
            "mtl_queue_oldest_seconds", "Age of the request that waits longest.", value=self._queue.oldest_seconds
        )
        yield from _model_metrics(self._models)


def _model_metrics(models: Iterable[ServedModel]) -> Iterator[Metric]:
    info = InfoMetricFamily("mtl_model", "What answers under each name.", labels=("model",))
    counters = {
        name: CounterMetricFamily(f"mtl_{name}", text, labels=("model",))
        for name, text in (
            ("batches", "Batches that the session ran."),
            ("batch_texts", "Rows of those batches."),
            ("batch_tokens", "Tokens in them, without padding."),
            ("padding_tokens", "Tokens of padding in them."),
        )
    }
    for model in models:
        facts = model.classifier.info
        info.add_metric(
            (model.name,),
            {
                "variant": facts.variant,
                "provider": facts.provider,
                "digest": facts.digest,
                "onnxruntime": facts.onnxruntime,
                "fallback": facts.fallback or "",
            },
        )
        for name, value in model.batches.totals().items():
            counters[name].add_metric((model.name,), value)
    yield info
    yield from counters.values()
