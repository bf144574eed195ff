"""package names -> the versions installed, as checkpoints, bundles and evidence record them."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["MAKERS", "installed_versions", "installed_with_prefix"]

# Those that decide what weights, graphs and answers look like.
MAKERS = ("mtl-export", "torch", "transformers", "tokenizers", "onnx", "onnxscript", "onnxruntime")


def installed_versions(names: Iterable[str] = MAKERS) -> dict[str, str]:
    """Package -> version, by metadata: nothing is imported. What is not installed is absent."""
    from importlib import metadata

    installed = {}
    for name in names:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def installed_with_prefix(prefix: str) -> dict[str, str]:
    """Package -> version of those whose name begins so, by the names of their metadata folders.

    What a fresh process asks for on its way to the first answer: importlib.metadata takes a tenth of that way.
    """
    installed: dict[str, str] = {}
    for folder in _metadata_folders():
        package, _, version = folder.stem.partition("-")
        # An interrupted uninstall may leave the folder empty.
        if package.startswith(prefix) and (folder / "METADATA").is_file():
            installed.setdefault(package.replace("_", "-"), version)
    return installed


def _is_path(place: object) -> bool:
    """Imports pass over anything else that was put into sys.path."""
    return isinstance(place, str)


def _metadata_folders() -> Iterator[Path]:
    for place in dict.fromkeys(filter(_is_path, sys.path)):
        try:
            yield from (entry for entry in Path(place).iterdir() if entry.name.endswith(".dist-info"))
        except OSError:  # a zip file, or a folder that is not there
            continue
