"""bundles and settings -> a server that runs until it is told to stop."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.load import load
from mtl_runtime.server.http.application import Application
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.http.listen import HttpServer, bind
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.protocols import choose_protocols
from mtl_runtime.server.scheduling.scheduler import Scheduler
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.service import Service
from mtl_runtime.server.settings import ServerSettings

__all__ = ["run_server"]

_log = logging.getLogger(__name__)
_WARM_UP_TEXT = "Warm up."


def run_server(settings: ServerSettings) -> None:
    """Load the bundles, listen, and return once the server was told to stop and has answered what was under way.

    Raises:
        MtlError: a bundle cannot be loaded.
        OSError: the address cannot be listened on.
    """
    keys = ApiKeys.read(settings.api_keys) if settings.api_keys else ApiKeys()
    models = ModelTable(open_model(name, path, settings.load_options) for name, path in settings.bundles.items())
    asyncio.run(_run(models, settings, keys))


def open_model(name: str, path: Path, options: Mapping[str, Any]) -> ServedModel:
    """Load a bundle, which tests itself where it must, and answer a first text with it.

    Raises:
        MtlError: it cannot be loaded, or does not answer.
    """
    classifier: Classifier = load(path, **options)
    classifier(_WARM_UP_TEXT)
    return ServedModel(name=name, classifier=classifier)


async def _run(models: ModelTable, settings: ServerSettings, keys: ApiKeys) -> None:
    workers = max(model.classifier.settings.execution.workers for model in models)
    scheduler = Scheduler(workers, settings.limits, asyncio.get_running_loop())
    application = Application(
        Service(models, settings.limits, scheduler), choose_protocols(page_data=settings.has_page_data), keys
    )
    server = HttpServer(application, settings.address, settings.limits)
    listener = bind(settings.address)
    try:
        _log.warning("serving %s at %s", ", ".join(model.name for model in models), settings.address.of(listener))
        await server.serve(listener)
    finally:
        await asyncio.to_thread(scheduler.close)
