"""files of a bundle -> IsolationLimits: what the child that opens them may take."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from mtl_runtime.bundle.manifest import Manifest
from mtl_runtime.errors import MtlError
from mtl_runtime.providers.registry import PROVIDERS, get_provider

__all__ = ["SCALE", "IsolationLimits"]

SCALE = "MTL_ISOLATION_SCALE"  # environment variable: a number that all limits are multiplied by

# A sound bundle took 0.3 s and 230 MB, and 1.6 times the size of its graph; see docs/adr/0022.
_SECONDS, _BYTES_PER_SECOND = 3.0, 32 * 2**20
_MEMORY, _MEMORY_PER_BYTE = 2 * 2**30, 8
# Providers that compile a graph, or that start a device, take many times longer.
_SLOW_PROVIDER_SECONDS = 60.0
# Time passes without work where a disk is slow or other processes have the cores.
_WALL_PER_CPU = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationLimits:
    """What a child process may take before it is ended."""

    cpu_seconds: float  # processor time
    wall_seconds: float
    memory: int | None  # bytes of address space; None: not limited

    @classmethod
    def of(cls, manifest: Manifest, variants: Iterable[str]) -> Self:
        """The limits for opening ``variants``, by the sizes of the files, times :data:`SCALE`.

        Raises:
            MtlError: the environment's scale is not a positive number.
        """
        scale = _read_scale()
        specs = [manifest.variants[name] for name in variants]
        # One that no table names is refused when its variant is opened.
        providers = [get_provider(spec.provider) for spec in specs if spec.provider in PROVIDERS]
        graphs = {spec.graph for spec in specs}
        size = sum(file.bytes for name, file in manifest.files.items() if _belongs(name, graphs))
        slow = sum(provider.is_device or provider.compiles for provider in providers)
        seconds = scale * (_SECONDS + size / _BYTES_PER_SECOND + slow * _SLOW_PROVIDER_SECONDS)
        # A driver reserves more address space than any machine has memory.
        unlimited = any(provider.is_device for provider in providers)
        memory = None if unlimited else int(scale * (_MEMORY + size * _MEMORY_PER_BYTE))
        return cls(cpu_seconds=seconds, wall_seconds=seconds * _WALL_PER_CPU, memory=memory)


def _belongs(file: str, graphs: set[str]) -> bool:
    """Whether the child reads ``file``: a graph, weights outside it, or the tokenizer."""
    return file == "tokenizer.json" or any(file == graph or file.startswith(f"{graph}.data") for graph in graphs)


def _read_scale() -> float:
    text = os.environ.get(SCALE, "1")
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 1e6:
        raise MtlError(f"{SCALE} is {text[:60]!r}; it must be a number above 0, such as 4")
    return scale
