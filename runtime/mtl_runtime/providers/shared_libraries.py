"""a shared library -> those that it needs and this process cannot load, and what brings them.

onnxruntime loads a GPU provider's library when a session is opened, and where that fails it goes on without the
provider. Asking the loader first gives every missing name at once, before onnxruntime has written a word.
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
# pip's TensorRT lies in a package that nothing but its own Python module looks into.
_LIBRARY_PACKAGES = ("tensorrt_libs",)


@dataclass(frozen=True, slots=True)
class _Source:
    """What libraries whose names begin so are a part of, and how that gets here."""

    prefixes: tuple[str, ...]
    product: str
    mend: str


# The first that fits.
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
    """Path of onnxruntime's own library of a provider inside its ``folder``, as this system names it."""
    return folder / (f"{name}.dll" if sys.platform == "win32" else f"lib{name}.so")


def missing_libraries(library: Path) -> tuple[str, ...]:
    """Names of those that ``library`` needs and the loader does not find; ``library`` itself is not loaded."""
    dynamic = list(_dynamic(library))
    paths = [path for tag, text in dynamic if tag in _RUN_PATHS for path in text.split(":")]
    folders = [Path(path.replace("$ORIGIN", str(library.parent))) for path in paths] + _package_folders()
    return tuple(name for tag, name in dynamic if tag == _NEEDED and not _loads(name, folders))


def needed_libraries(library: Path) -> tuple[str, ...]:
    """Names that an ELF library says it needs; empty for another format (Windows, macOS) or no file."""
    return tuple(name for tag, name in _dynamic(library) if tag == _NEEDED)


def explain(missing: Iterable[str]) -> str:
    """The missing libraries, grouped by what they are a part of, with the way to get each."""
    names: dict[_Source, list[str]] = {}
    for name in dict.fromkeys(missing):
        names.setdefault(_source(name), []).append(name)
    return "; ".join(f"{', '.join(of)} of {source.product} ({source.mend})" for source, of in names.items())


def cuda_devices() -> int:
    """Number of GPUs that the NVIDIA driver shows to this process; 0 without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def _source(name: str) -> _Source:
    return next(source for source in _SOURCES if name.startswith(source.prefixes))


def _loads(name: str, folders: Iterable[Path]) -> bool:
    """Whether the loader finds ``name``; from then on it is loaded, and the provider's library finds it too."""
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


def _dynamic(library: Path) -> Iterator[tuple[int, str]]:
    """Entries of the dynamic section that are strings: tag and text."""
    if not library.is_file():
        return
    with library.open("rb") as file:
        header = file.read(64)
        if header[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
            return

        def at(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        (start,), (count,) = struct.unpack_from("<Q", header, 40), struct.unpack_from("<H", header, 60)
        sections = list(_SECTION.iter_unpack(at(start, count * _SECTION.size)))
        for _, kind, _, _, offset, size, link, *_ in sections:
            if kind == _DYNAMIC_SECTION:
                strings = at(sections[link][4], sections[link][5])
                for tag, place in _ENTRY.iter_unpack(at(offset, size)):
                    if tag in (_NEEDED, *_RUN_PATHS):
                        yield tag, strings[place : strings.index(b"\0", place)].decode()
