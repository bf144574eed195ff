"""package names -> installed versions, as checkpoints, bundles and evidence record them."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["MAKERS", "installed_versions", "installed_with_prefix"]

# Packages that decide what weights, graphs and answers look like.
MAKERS = ("mtl-export", "torch", "transformers", "tokenizers", "onnx", "onnxscript", "onnxruntime")


def installed_versions(names: Iterable[str] = MAKERS) -> dict[str, str]:
    """Read versions from the packages' metadata, importing nothing; a package that is not installed is left out."""
    from importlib import metadata

    installed = {}
    for name in names:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def installed_with_prefix(prefix: str) -> dict[str, str]:
    """Read the versions of packages whose name starts with ``prefix`` from the names of their metadata folders.

    A fresh process needs them before its first answer; importlib.metadata would take a tenth of the time until then.
    """
    installed: dict[str, str] = {}
    for folder in _metadata_folders():
        package, _, version = folder.stem.partition("-")
        # An interrupted uninstall may leave the folder empty.
        if package.startswith(prefix) and (folder / "METADATA").is_file():
            installed.setdefault(package.replace("_", "-"), version)
    return installed


def _is_path(entry: object) -> bool:
    """Whether imports look there: they ignore anything but strings in sys.path."""
    return isinstance(entry, str)


def _metadata_folders() -> Iterator[Path]:
    for path in dict.fromkeys(filter(_is_path, sys.path)):
        try:
            yield from (entry for entry in Path(path).iterdir() if entry.name.endswith(".dist-info"))
        except OSError:  # a zip file, or a folder that does not exist
            continue
