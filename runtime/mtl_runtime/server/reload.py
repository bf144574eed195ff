"""A changed bundle -> the same name answered by its new version, with no request lost; a broken one changes nothing."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mtl_runtime.bundle.bundle import DIGEST_NAME
from mtl_runtime.bundle.manifest import MANIFEST_NAME
from mtl_runtime.errors import MtlError
from mtl_runtime.server.failures import ReloadError, UnknownModelError
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.models import ModelTable
from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.server.settings import BundleSource

__all__ = ["OpenModel", "Reloader"]

_log = logging.getLogger(__name__)

_WATCH_SECONDS = 1.0
_MAX_BYTES = 64 * 2**20  # of a manifest that is read each second, more than any bundle may have

OpenModel = Callable[[str, BundleSource], ServedModel]


class Reloader:
    """Opens bundles again, one at a time, while the old versions answer.

    Args:
        sources: of the bundles, by name.
        models: in which a new version replaces the old one.
        open_model: checks, loads and warms a bundle, outside the event loop.
        metrics: count reloads.
        keys: that clients need.
    """

    def __init__(
        self,
        sources: Mapping[str, BundleSource],
        models: ModelTable,
        open_model: OpenModel,
        metrics: Metrics,
        keys: ApiKeys,
    ) -> None:
        self._sources, self._models, self._open, self._metrics = sources, models, open_model, metrics
        self._keys = keys
        self._turn = asyncio.Lock()

    async def reload(self, name: str) -> ServedModel:
        """Replace the model of that name by what its folder holds now.

        Raises:
            UnknownModelError: there is none of that name.
            ReloadError: the bundle is not sound or does not answer; the old one goes on answering.
        """
        if name not in self._sources:
            raise UnknownModelError(name, self._sources)
        before = self._models.get(name).digest
        async with self._turn:
            try:
                model = await asyncio.to_thread(self._open, name, self._sources[name])
            except Exception as error:
                self._metrics.count_reload(name, "failed")
                failure = ReloadError(f"{name} was not reloaded, its old version goes on answering: {error}")
                _log.error("%s", failure)
                raise failure from error
            self._models.replace(model)
        self._metrics.count_reload(name, "done")
        _log.info("%s reloaded: %s -> %s (%s)", name, before[:12], model.digest[:12], model.variant)
        return model

    def reload_keys(self) -> int:
        """Read the API keys again; how many there are now.

        Raises:
            ReloadError: their file cannot be read, or holds none; the old ones stay.
        """
        try:
            self._keys.reload()
        except MtlError as error:
            failure = ReloadError(f"the API keys stay as they are: {error}")
            _log.error("%s", failure)
            raise failure from error
        _log.info("API keys reloaded: %d", len(self._keys))
        return len(self._keys)

    async def reload_all(self) -> None:
        """Reload the API keys and every model; what fails stays as it is."""
        if self._keys:
            with suppress(ReloadError):  # it is in the log
                self.reload_keys()
        for name in self._sources:
            with suppress(ReloadError):
                await self.reload(name)

    async def watch(self) -> None:
        """Reload a model whenever its folder, or the folder that its link names, holds another bundle; for ever."""
        failed: dict[str, _Fingerprint] = {}  # what could not be loaded is not tried again before it changes
        while True:
            for name, source in self._sources.items():
                found = await asyncio.to_thread(_Fingerprint.of, source.path)
                if found is None or found == failed.get(name) or found.manifest == self._models.get(name).digest:
                    continue
                try:
                    await self.reload(name)
                except ReloadError:
                    failed[name] = found
            await asyncio.sleep(_WATCH_SECONDS)


class _Fingerprint(NamedTuple):
    """What tells a bundle from another one."""

    manifest: str  # SHA-256
    promised: str  # what the file next to it says, which may be written a moment later

    @classmethod
    def of(cls, path: Path) -> "_Fingerprint | None":
        """Of the bundle in a folder; None: there is none, perhaps for a moment."""
        files = [path / name for name in (MANIFEST_NAME, DIGEST_NAME)]
        try:
            # A pipe would never end; of a file that is too long the load says so.
            if not all(file.is_file() for file in files):
                return None
            return cls(*(_hash_beginning(file) for file in files))
        except OSError:
            return None


def _hash_beginning(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.sha256(stream.read(_MAX_BYTES)).hexdigest()
