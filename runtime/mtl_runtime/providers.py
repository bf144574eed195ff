"""provider name -> onnxruntime's name for it and the extra that brings it; and is exactly one wheel here?"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from mtl_runtime.errors import MissingPackageError

__all__ = ["ONNXRUNTIME_WHEELS", "PROVIDERS", "Provider", "check_one_wheel", "installed_wheels"]

# Every wheel that installs the module `onnxruntime`; two of them overwrite each other's files.
ONNXRUNTIME_WHEELS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-qnn",
    "onnxruntime-migraphx",
    "onnxruntime-rocm",
    "onnxruntime-training",
)


@dataclass(frozen=True, slots=True)
class Provider:
    """One execution provider that a variant may name."""

    ort_name: str
    extra: str  # of mtl-export


PROVIDERS: Mapping[str, Provider] = {
    "cpu": Provider("CPUExecutionProvider", "cpu"),
}


def installed_wheels() -> dict[str, str]:
    """Installed wheels that provide the module ``onnxruntime``, with their versions."""
    found = {}
    for name in ONNXRUNTIME_WHEELS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def check_one_wheel(wheels: Mapping[str, str] | None = None) -> None:
    """Make sure that exactly one onnxruntime wheel is installed.

    Raises:
        MissingPackageError: none or several are; the message holds the commands that mend it.
    """
    found = installed_wheels() if wheels is None else wheels
    if not found:
        raise MissingPackageError(
            "onnxruntime is not installed; run `pip install 'mtl-export[cpu]'` (or [gpu] for CUDA)"
        )
    if len(found) > 1:
        names = " ".join(found)
        raise MissingPackageError(
            f"{' and '.join(found)} are both installed and overwrite each other's files; "
            f"run `pip uninstall -y {names}` and then `pip install 'mtl-export[cpu]'` (or [gpu])"
        )
