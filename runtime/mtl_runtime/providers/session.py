"""graph file -> Session: the only file that imports onnxruntime."""

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.errors import BundleError, ComputationError, MissingPackageError, ProviderError
from mtl_runtime.providers.availability import AvailableProvider, require_provider
from mtl_runtime.providers.registry import PROVIDERS, check_one_wheel, get_provider, installed_wheels

if TYPE_CHECKING:  # loading/load.py imports this module before numpy
    import numpy as np
    from numpy.typing import NDArray

    from mtl_runtime.text.batch import Batch

__all__ = [
    "Session",
    "TensorType",
    "available_providers",
    "import_onnxruntime",
    "onnxruntime_version",
    "profile",
    "provider_problem",
]

_log = logging.getLogger(__name__)

# onnxruntime also raises what it logs as an error of a session.
_FATAL_ONLY = 4


@dataclass(frozen=True, slots=True)
class TensorType:
    """What a graph declares of an input or output."""

    type: str  # as onnxruntime writes it: "tensor(float)"
    shape: tuple[int | None, ...]  # None: of any length

    @classmethod
    def of(cls, argument: Any) -> Self:
        """The declaration in a NodeArg of onnxruntime, whose symbolic lengths are strings."""
        return cls(argument.type, tuple(length if isinstance(length, int) else None for length in argument.shape))


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded graph on one execution provider; onnxruntime allows concurrent runs of it."""

    _ort: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, TensorType]  # of inputs and outputs, by name
    metadata: Mapping[str, str]  # the graph's metadata_props
    provider: str

    @classmethod
    def open(
        cls,
        graph: Path,
        *,
        provider: str = "cpu",
        provider_options: Mapping[str, str] | None = None,
        threads: int = 1,
        runs: int = 1,
        sums_fit_16_bits: bool = False,
        optimized: Path | None = None,
    ) -> Self:
        """Load the file ``graph``.

        Args:
            graph: an ONNX model; external weights lie in the same folder.
            provider: a name of :data:`mtl_runtime.providers.registry.PROVIDERS`.
            provider_options: for the provider.
            threads: intra-op threads of each run, including the calling one.
            runs: how many runs to expect at the same time; any number is safe.
            sums_fit_16_bits: whether the graph's int8 weights are so small that the processor's fast kernels are exact,
                whichever these are; else slower ones are asked for where the fast ones may saturate.
            optimized: file for the graph that really runs, after onnxruntime's optimizations.

        Raises:
            MissingPackageError: onnxruntime is absent, or two of its wheels are installed.
            ProviderError: the provider is unknown or cannot run here, or onnxruntime chose another one.
            BundleError: onnxruntime cannot load the graph.
        """
        ort = import_onnxruntime()
        available = require_provider(ort, provider)
        options = _options(ort, threads, machine_facts(), sums_fit_16_bits=sums_fit_16_bits)
        if optimized is not None:
            if available.provider.compiles:
                raise ProviderError(f"{provider} compiles the graph, so what runs cannot be written to {optimized}")
            options.optimized_model_filepath = str(optimized)
        session = _open(ort, graph, options, available, provider_options or {}, runs)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        _log.debug("opened %s on %s with %d threads", graph, provider, threads)
        return cls(
            session,
            inputs=tuple(argument.name for argument in inputs),
            outputs=tuple(argument.name for argument in outputs),
            tensors={argument.name: TensorType.of(argument) for argument in (*inputs, *outputs)},
            metadata=dict(session.get_modelmeta().custom_metadata_map),
            provider=provider,
        )

    def run(self, batch: "Batch", outputs: Sequence[str]) -> "list[NDArray[np.float32]]":
        """Run one batch and return ``outputs`` in that order, each float32 (B, width).

        Raises:
            ComputationError: onnxruntime failed.
        """
        feed = batch.feed(self.inputs)
        try:
            result: list[NDArray[np.float32]] = self._ort.run(list(outputs), feed)
        except Exception as error:
            if not _is_of_onnxruntime(error):
                raise  # of a signal handler of the caller's
            raise ComputationError(
                f"onnxruntime failed on {self.provider} with a batch of shape {batch.input_ids.shape}: {error}; "
                f"if memory is short, lower max_batch_tokens; else run `mtl verify` on the bundle"
            ) from error
        return result

    def abandon(self) -> None:
        """Never close the session: in a forked process, closing it would wait for threads of the parent."""
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._ort))


def profile(
    graph: Path,
    batch: "Batch",
    folder: Path,
    *,
    provider: str,
    provider_options: Mapping[str, str],
    sums_fit_16_bits: bool = False,
) -> Path:
    """Run one batch; return the JSON file in ``folder`` in which onnxruntime records which node ran where.

    Raises:
        MissingPackageError, ProviderError, BundleError: as :meth:`Session.open`.
    """
    ort = import_onnxruntime()
    available = require_provider(ort, provider)
    options = _options(ort, 1, machine_facts(), sums_fit_16_bits=sums_fit_16_bits)
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = _open(ort, graph, options, available, provider_options, 1)
    session.run(None, batch.feed(tuple(i.name for i in session.get_inputs())))
    return Path(session.end_profiling())


def available_providers() -> tuple[str, ...]:
    """List the providers of the installed onnxruntime, including plugins of open sessions (or MissingPackageError)."""
    ort = import_onnxruntime()
    plugins = (device.ep_name for device in ort.get_ep_devices())
    known = {row.ort_name for row in PROVIDERS.values()}
    built_in = ort.get_available_providers()
    return tuple(dict.fromkeys([*built_in, *(name for name in plugins if name in known)]))


def provider_problem(provider: str) -> str | None:
    """Say why no session can be opened on ``provider`` here and what to do; None if no problem is known.

    Raises:
        MissingPackageError: onnxruntime is absent, or two of its wheels are installed.
    """
    check_one_wheel()
    try:
        if not get_provider(provider).is_everywhere:
            require_provider(import_onnxruntime(), provider)
    except ProviderError as error:
        return str(error)
    return None


def onnxruntime_version() -> str:
    """Read the version of the installed onnxruntime from its metadata (MissingPackageError without one)."""
    wheels = installed_wheels()
    check_one_wheel(wheels)
    (version,) = wheels.values()
    return version


def import_onnxruntime() -> Any:
    """Import the module onnxruntime, which is the first thing that opening a session does.

    From 1.31 on it looks up a telemetry host and stores a device id and a database in the user's cache, from its import
    on. ``ORT_DISABLE_TELEMETRY`` is set before that, unless the environment has it already.

    Raises:
        MissingPackageError: onnxruntime is absent, or two of its wheels are installed.
    """
    check_one_wheel()
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            f"onnxruntime is installed but cannot be imported ({error}); "
            f"run `pip install --force-reinstall 'mtl-export[cpu]'`"
        ) from error
    return onnxruntime


def _open(
    ort: Any, graph: Path, options: Any, available: AvailableProvider, provider_options: Mapping[str, str], runs: int
) -> Any:
    """Open an InferenceSession on that provider and on no other in its place."""
    name = available.provider.ort_name
    try:
        str(graph).encode("utf-8")
    except UnicodeEncodeError:
        raise BundleError(
            f"the name of {graph.parent} is not UTF-8, which onnxruntime needs; rename the folder"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the provider is compared below, and a mismatch raises
            arguments = _provider_arguments(options, available, provider_options, runs)
            # With the fallback on, onnxruntime's Python code continues on the CPU after any failure, even of a run.
            disabled = list(available.provider.disabled_optimizers)
            session = ort.InferenceSession(
                str(graph), options, enable_fallback=0, disabled_optimizers=disabled or None, **arguments
            )
    except (RuntimeError, ValueError) as error:  # of a provider; errors about a graph have other types
        raise ProviderError(f"onnxruntime {ort.__version__} cannot open {name}: {error}") from error
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise BundleError(f"onnxruntime {ort.__version__} cannot load the graph on {name}: {error}") from error
    actual = session.get_providers()[0]
    if actual != name:
        raise ProviderError(f"asked for {name}, onnxruntime took {actual} and wrote the reason to stderr")
    return session


def _is_of_onnxruntime(error: Exception) -> bool:
    """Whether onnxruntime raises such errors: of its own types, which share no base class, and plain built-in ones."""
    return type(error).__module__.startswith("onnxruntime") or type(error) in (MemoryError, RuntimeError, ValueError)


def _provider_arguments(
    options: Any, available: AvailableProvider, provider_options: Mapping[str, str], runs: int
) -> dict[str, Any]:
    """Return the arguments that select the provider of an InferenceSession; a plugin is selected in ``options``."""
    row = available.provider
    encoded = row.encode({**row.defaults, **provider_options}, options.intra_op_num_threads, runs)
    if available.device is not None:
        options.add_provider_for_devices([available.device], encoded)
        return {}
    fallbacks = [PROVIDERS[name] for name in row.fallback_providers]
    return {"providers": [(row.ort_name, encoded), *((other.ort_name, dict(other.defaults)) for other in fallbacks)]}


def _options(ort: Any, threads: int, machine: MachineFacts, *, sums_fit_16_bits: bool) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    # Threads that spin between runs would take cores from the host process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if machine.saturates_int8 and not sums_fit_16_bits:
        # Int8 weights become uint8, whose slower kernels accumulate in 32 bits.
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options
