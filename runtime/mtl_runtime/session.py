"""graph bytes -> Session: the only file that imports onnxruntime."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.batch import Batch
from mtl_runtime.errors import BundleError, MissingPackageError, ProviderError
from mtl_runtime.providers import PROVIDERS, check_one_wheel

__all__ = ["Session", "available_providers", "onnxruntime_version"]

_ERRORS_ONLY = 3


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded graph on one execution provider; onnxruntime allows concurrent runs of it."""

    _ort: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    metadata: Mapping[str, str]  # the graph's metadata_props
    provider: str

    @classmethod
    def open(
        cls,
        graph: bytes | Path,
        *,
        provider: str = "cpu",
        provider_options: Mapping[str, str] | None = None,
        threads: int = 1,
    ) -> Self:
        """Load ``graph`` (its bytes, or its path where weights lie in files beside it).

        Args:
            graph: an ONNX model.
            provider: a name of :data:`mtl_runtime.providers.PROVIDERS`.
            provider_options: passed to the provider.
            threads: intra-op threads, the calling one included.

        Raises:
            MissingPackageError: onnxruntime is absent, or two of its wheels are installed.
            ProviderError: the provider is unknown here, or onnxruntime took another one.
            BundleError: onnxruntime cannot load the graph.
        """
        ort = _onnxruntime()
        if provider not in PROVIDERS:
            raise ProviderError(f"unknown provider {provider!r}; known: {', '.join(PROVIDERS)}")
        row = PROVIDERS[provider]
        if row.ort_name not in ort.get_available_providers():
            raise ProviderError(
                f"this onnxruntime has no {row.ort_name}; run `pip install 'mtl-export[{row.extra}]'` "
                f"in an environment without another onnxruntime wheel"
            )
        source = graph if isinstance(graph, bytes) else str(graph)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the provider is compared below, and a mismatch raises
                session = ort.InferenceSession(
                    source, _options(ort, threads), providers=[(row.ort_name, dict(provider_options or {}))]
                )
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise BundleError(f"onnxruntime {ort.__version__} cannot load the graph: {error}") from error
        taken = session.get_providers()[0]
        if taken != row.ort_name:
            raise ProviderError(f"asked for {row.ort_name}, onnxruntime took {taken}; run `mtl doctor`")
        names = tuple(i.name for i in session.get_inputs()), tuple(o.name for o in session.get_outputs())
        metadata = dict(session.get_modelmeta().custom_metadata_map)
        return cls(session, *names, metadata, provider)

    def run(self, batch: Batch, outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Run one batch and return ``outputs`` in that order, each float32 (B, width)."""
        result: list[NDArray[np.float32]] = self._ort.run(list(outputs), batch.feed(self.inputs))
        return result


def available_providers() -> tuple[str, ...]:
    """Execution providers that the installed onnxruntime was built with (MissingPackageError without one)."""
    return tuple(_onnxruntime().get_available_providers())


def onnxruntime_version() -> str:
    """Version of the installed onnxruntime (MissingPackageError without one)."""
    version: str = _onnxruntime().__version__
    return version


def _onnxruntime() -> Any:
    check_one_wheel()
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            f"onnxruntime is installed but cannot be imported ({error}); "
            f"run `pip install --force-reinstall 'mtl-export[cpu]'`"
        ) from error
    return onnxruntime


def _options(ort: Any, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Threads that spin between runs take cores from the host process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
