"""peers.toml -> Peer rows: other systems, each in an environment of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mtl_runtime.errors import MtlError

__all__ = ["Peer", "read_peers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One system, and how its process is started."""

    name: str
    title: str
    kind: Literal["ours", "peer"]
    python: Path  # interpreter of its environment
    folder: Path  # of drivers
    driver: str  # module:function
    settings: Mapping[str, Any]
    precision: str | None
    docs: str  # page that recommends the settings
    files: tuple[Path, ...]  # of its model
    problem: str | None  # why it cannot be started

    def size_bytes(self) -> int:
        """Of its model files."""
        return sum(file.stat().st_size for file in self.files)


def read_peers(path: Path, bundle: Path) -> tuple[Peer, ...]:
    """Rows of a table of peers for a bundle.

    Raises:
        MtlError: always, since no table of peers is read yet.
    """
    raise MtlError(f"{path}: tables of peers for {bundle} are not read yet")
