"""provider name -> AvailableProvider, or a ProviderError that says what is missing and how to install it.

If a library is missing, onnxruntime only warns and uses another provider, so everything is checked first.
"""

import contextlib
import importlib
import io
import logging
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import ProviderError
from mtl_runtime.providers.registry import Provider, get_provider, installed_wheels
from mtl_runtime.providers.shared_libraries import cuda_devices, explain, missing_libraries, provider_library

__all__ = ["AvailableProvider", "require_provider"]

_log = logging.getLogger(__name__)

_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class AvailableProvider:
    """A provider that onnxruntime can use here."""

    provider: Provider
    device: Any = None  # of a plugin, as onnxruntime lists it


def require_provider(ort: Any, name: str) -> AvailableProvider:
    """Check that all that the provider ``name`` needs is here.

    Args:
        ort: the module onnxruntime.
        name: one of :data:`mtl_runtime.providers.registry.PROVIDERS`.

    Raises:
        ProviderError: it is unknown, or something is missing; the message says how to install it.
    """
    row = get_provider(name)
    # onnxruntime-openvino has the provider built in, for any x86-64 processor.
    if row.plugin is not None and row.ort_name not in ort.get_available_providers():
        return AvailableProvider(row, _find_plugin_device(ort, row, row.plugin))
    if row.ort_name not in ort.get_available_providers():
        (wheel,) = installed_wheels()
        raise ProviderError(
            f"{wheel} has no {row.ort_name}, {row.wheel} has it; "
            f"run `pip uninstall -y {wheel}` and then `pip install 'mtl-export[{row.extra}]'`"
        )
    if row.cuda_library is not None:
        _require_cuda(ort, row)
    return AvailableProvider(row)


def _find_plugin_device(ort: Any, row: Provider, plugin: str) -> Any:
    """Find the processor among the plugin's devices; the plugin's library is registered once per process."""
    try:
        with _LOCK:
            _register(ort, plugin)
    except ModuleNotFoundError as error:
        # The extra also installs the stock onnxruntime, which would overwrite files of another wheel.
        package = f"'mtl-export[{row.extra}]'" if "onnxruntime" in installed_wheels() else row.wheel
        raise ProviderError(
            f"{row.wheel} is not installed; run `pip install {package}` (wheels are for Linux and Windows on x86-64)"
        ) from error
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise ProviderError(f"onnxruntime {ort.__version__} cannot register {row.wheel}: {error}") from error
    for device in ort.get_ep_devices():
        if device.ep_name == row.ort_name and device.device.type == ort.OrtHardwareDeviceType.CPU:
            return device
    raise ProviderError(
        f"{row.wheel} does not support this processor ({machine_facts().cpu}), only Intel's; "
        f"use a variant of another provider, or the wheel onnxruntime-openvino in place of onnxruntime"
    )


@cache
def _register(ort: Any, plugin: str) -> None:
    path = importlib.import_module(plugin).get_library_path()
    ort.register_execution_provider_library(f"mtl-export.{plugin}", path)
    _log.debug("registered %s", path)


def _require_cuda(ort: Any, row: Provider) -> None:
    """Check that onnxruntime will find CUDA; otherwise it would warn and use the CPU."""
    with _LOCK:
        _preload(ort)
    folder = Path(ort.__file__).parent / "capi"
    rows = (row, *map(get_provider, row.fallback_providers))
    libraries = [needed.cuda_library for needed in rows if needed.cuda_library]
    missing = [name for library in libraries for name in missing_libraries(provider_library(folder, library))]
    if missing:
        raise ProviderError(f"{row.ort_name} cannot be loaded, missing: {explain(missing)}; or use a cpu variant")
    if not cuda_devices():
        raise ProviderError(
            f"{row.ort_name} cannot run: the NVIDIA driver shows no GPU to this process; "
            f"look at `nvidia-smi` and CUDA_VISIBLE_DEVICES, or use a cpu variant"
        )


@cache
def _preload(ort: Any) -> None:
    """Load CUDA from pip's packages; onnxruntime prints failures, and the check of each library finds them again."""
    with contextlib.redirect_stdout(io.StringIO()):
        getattr(ort, "preload_dlls", lambda: None)()
