"""shared library -> the libraries that it needs and this process cannot load, and how to install them.

onnxruntime loads a GPU provider's library when a session is opened, and if that fails it continues without the
provider. Asking the loader first gives every missing name at once, before onnxruntime prints anything.
"""

import ctypes
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["cuda_devices", "explain", "missing_libraries", "needed_libraries", "provider_library"]

_DYNAMIC_SECTION = 6
_NEEDED = 1
_RUN_PATHS = (15, 29)
_SECTION = struct.Struct("<IIQQQQIIQQ")
_ENTRY = struct.Struct("<qQ")
# pip installs TensorRT into a package where only its own Python module looks.
_LIBRARY_PACKAGES = ("tensorrt_libs",)


@dataclass(frozen=True, slots=True)
class _Source:
    """The product that libraries with these prefixes belong to, and how to install it."""

    prefixes: tuple[str, ...]
    product: str
    remedy: str


# The first match counts.
_SOURCES = (
    _Source(("libcuda.so",), "the NVIDIA driver", "install it; a container gets the host's with `--gpus all`"),
    _Source(
        ("libnvinfer", "libnvonnxparser"),
        "TensorRT",
        "install the version in these names, for instance `pip install 'tensorrt-cu13==10.*'` for .so.10",
    ),
    _Source(("libcu",), "CUDA and cuDNN", "run `pip install 'mtl-export[gpu]'`"),
    _Source(("",), "the system", "install them"),
)


def provider_library(folder: Path, name: str) -> Path:
    """Return the path of a provider's library in onnxruntime's ``folder``, as this system names it."""
    return folder / (f"{name}.dll" if sys.platform == "win32" else f"lib{name}.so")


def missing_libraries(library: Path) -> tuple[str, ...]:
    """List the libraries that ``library`` needs and the loader does not find; ``library`` itself is not loaded."""
    dynamic = list(_dynamic_strings(library))
    paths = [path for tag, text in dynamic if tag in _RUN_PATHS for path in text.split(":")]
    folders = [Path(path.replace("$ORIGIN", str(library.parent))) for path in paths] + _package_folders()
    return tuple(name for tag, name in dynamic if tag == _NEEDED and not _can_load(name, folders))


def needed_libraries(library: Path) -> tuple[str, ...]:
    """List the names that an ELF library needs; empty for another format (Windows, macOS) or a missing file."""
    return tuple(name for tag, name in _dynamic_strings(library) if tag == _NEEDED)


def explain(missing: Iterable[str]) -> str:
    """Group the missing libraries by product and say how to install each product."""
    names: dict[_Source, list[str]] = {}
    for name in dict.fromkeys(missing):
        names.setdefault(_find_source(name), []).append(name)
    return "; ".join(
        f"{', '.join(libraries)} of {source.product} ({source.remedy})" for source, libraries in names.items()
    )


def cuda_devices() -> int:
    """Count the GPUs that the NVIDIA driver shows to this process; 0 without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def _find_source(name: str) -> _Source:
    return next(source for source in _SOURCES if name.startswith(source.prefixes))


def _can_load(name: str, folders: Iterable[Path]) -> bool:
    """Whether the loader finds ``name``; it then stays loaded, so that the provider's library finds it too."""
    for candidate in (name, *(str(folder / name) for folder in folders if (folder / name).is_file())):
        try:
            ctypes.CDLL(candidate)
        except OSError:
            continue
        return True
    return False


def _package_folders() -> list[Path]:
    specs = [PathFinder.find_spec(package) for package in _LIBRARY_PACKAGES]
    return [Path(folder) for spec in specs if spec for folder in spec.submodule_search_locations or ()]


def _dynamic_strings(library: Path) -> Iterator[tuple[int, str]]:
    """Yield the string entries of the ELF dynamic section as pairs of tag and text."""
    if not library.is_file():
        return
    with library.open("rb") as file:
        header = file.read(64)
        if header[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
            return

        def read_at(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        (start,), (count,) = struct.unpack_from("<Q", header, 40), struct.unpack_from("<H", header, 60)
        sections = list(_SECTION.iter_unpack(read_at(start, count * _SECTION.size)))
        for _, kind, _, _, offset, size, link, *_ in sections:
            if kind == _DYNAMIC_SECTION:
                strings = read_at(sections[link][4], sections[link][5])
                for tag, place in _ENTRY.iter_unpack(read_at(offset, size)):
                    if tag in (_NEEDED, *_RUN_PATHS):
                        yield tag, strings[place : strings.index(b"\0", place)].decode()
