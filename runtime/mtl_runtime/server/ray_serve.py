"""bundle -> an application of Ray Serve, whose replicas answer as ``mtl serve`` does."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_runtime.errors import MissingPackageError
from mtl_runtime.loading.load import load
from mtl_runtime.server.http.application import Application
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.protocols import choose_protocols
from mtl_runtime.server.scheduling.scheduler import Scheduler
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.service import Service

__all__ = ["deployment"]

_WARM_UP_TEXT = "Warm up."
_DEFAULT_LIMITS = Limits()


def deployment(
    bundle: str | Path,
    *,
    name: str | None = None,
    replicas: int = 1,
    threads: int = 1,
    limits: Limits = _DEFAULT_LIMITS,
    load_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Make an application for ``ray.serve.run``; running it again with another bundle replaces replicas one by one.

    Over HTTP a replica answers every protocol of ``mtl serve`` (docs/serving.md), and a handle has the method
    ``predict(texts, tasks=None)``, which gives a dict for each text. Each replica has a queue of its own with the
    limits of ``mtl serve``; ``limits.max_requests`` bounds also what Ray sends to a replica, and what waits at a proxy.

    Args:
        bundle: folder, at the same path on every node.
        name: of the model, for clients; default: the folder's.
        replicas: processes.
        threads: that each computes with; its actor takes as many CPUs.
        limits: of requests to one replica.
        load_options: further ones of :func:`mtl_runtime.load`.
        options: further ones of ``ray.serve.deployment``, such as ``autoscaling_config``.

    Raises:
        MissingPackageError: Ray Serve is not installed.
    """
    try:
        from ray import serve
    except ImportError as error:
        raise MissingPackageError("a deployment needs Ray Serve; run `pip install 'mtl-export[ray]'`") from error
    folder = Path(bundle).absolute()
    model = name or folder.name
    arguments = {"threads": threads, **(load_options or {})}

    def build() -> Application:  # on a replica
        return _build_application(folder, model, arguments, limits)

    class Bundle:
        """A replica."""

        async def predict(self, texts: Sequence[str], tasks: Iterable[str] | None = None) -> list[dict[str, Any]]:
            service: Service = self.app.service  # type: ignore[attr-defined]  # the ingress adds the application
            result = await service.predict(service.models.get(model), texts, tasks=tasks)
            return [prediction.to_dict() for prediction in result.predictions]

    settings = {
        "name": "mtl",  # the same for another bundle: then it is an update
        "num_replicas": replicas,
        "max_ongoing_requests": limits.max_requests,
        "max_queued_requests": limits.max_requests,
        "graceful_shutdown_timeout_s": limits.drain_seconds,
        "ray_actor_options": {"num_cpus": threads},
    }
    return serve.deployment(**{**settings, **options})(serve.ingress(build)(Bundle)).bind()


def _build_application(folder: Path, name: str, load_options: Mapping[str, Any], limits: Limits) -> Application:
    classifier = load(folder, **load_options)
    classifier(_WARM_UP_TEXT)
    metrics = Metrics()
    scheduler = Scheduler(classifier.settings.execution.workers, limits, asyncio.get_running_loop(), metrics)
    models = ModelTable([ServedModel(name=name, classifier=classifier)], ())
    service = Service(models, limits, scheduler, metrics)
    return Application(service, choose_protocols(page_data=False), ApiKeys())
